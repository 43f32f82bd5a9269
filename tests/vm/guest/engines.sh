# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# Incus and LXD in a guest with systemd as init: starts the daemon once, with an image "np" whose init is busybox. Both
# have the same commands with different names; after engine_up, $cli is the client.

# engine_up incus|lxd: starts and sets up the daemon and imports the image.
engine_up() {
	case $1 in
	incus)
		cli=incus
		systemctl start incus.service && incus admin init --minimal
		;;
	lxd)
		cli=lxc
		systemctl start lxd.service && lxd init --minimal
		;;
	esac || {
		systemctl list-units --failed
		journalctl --boot --no-pager --lines 40
		return 1
	}
	# No container needs a network.
	$cli profile device remove default eth0
	engine_image && $cli image import /run/tests/np.tar --alias np
}

# engine_image: makes /run/tests/np.tar, an image for both daemons.
engine_image() {
	e_dir=/run/tests/np-image
	for d in bin sbin etc proc sys dev tmp run; do
		mkdir -p "$e_dir/rootfs/$d"
	done
	cp /bin/busybox $e_dir/rootfs/bin/
	chroot $e_dir/rootfs /bin/busybox --install -s /bin
	ln -sf ../bin/busybox $e_dir/rootfs/sbin/init
	# Both daemons stop a container with SIGPWR; busybox init handles it like SIGUSR2 and powers off.
	printf '::sysinit:/bin/true\n::restart:/sbin/init\n' > $e_dir/rootfs/etc/inittab
	printf 'architecture: %s\ncreation_date: 1\n' "$(uname -m)" > $e_dir/metadata.yaml
	tar -C $e_dir -cf /run/tests/np.tar metadata.yaml rootfs
}
