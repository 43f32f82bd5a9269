# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# Incus and LXD in a guest with systemd as init: brought up once, with an image
# "np" whose init is busybox's. Both have the same commands but for their names;
# after engine_up, $cli is the client.

# engine_up incus|lxd: the daemon runs, is set up, and has the image.
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
	# No container here wants a network.
	$cli profile device remove default eth0
	engine_image && $cli image import /run/tests/np.tar --alias np
}

# engine_image: /run/tests/np.tar, an image as both know it.
engine_image() {
	e_dir=/run/tests/np-image
	for d in bin sbin etc proc sys dev tmp run; do
		mkdir -p "$e_dir/rootfs/$d"
	done
	cp /bin/busybox $e_dir/rootfs/bin/
	chroot $e_dir/rootfs /bin/busybox --install -s /bin
	ln -sf ../bin/busybox $e_dir/rootfs/sbin/init
	# init ends on SIGPWR as both send it, by busybox's SIGUSR2: power off.
	printf '::sysinit:/bin/true\n::restart:/sbin/init\n' > $e_dir/rootfs/etc/inittab
	printf 'architecture: %s\ncreation_date: 1\n' "$(uname -m)" > $e_dir/metadata.yaml
	tar -C $e_dir -cf /run/tests/np.tar metadata.yaml rootfs
}
