# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# LXC containers for guest tests. They share a busybox root; each has its own config file. Every container is stopped and
# destroyed when the test file ends.
#
# The init of a container first copies its /proc/self/status to $lx_out/NAME/status, then adds a byte to "boots". SIGINT
# reboots the container, SIGPWR ends it.

lx_path=/var/lib/lxc
lx_root=/run/tests/lxc-root
lx_out=/run/tests/lxc-out
# shellcheck disable=SC2034 # used by tests
lx_hook=/usr/libexec/numaplace/lxc-hook

lx_setup() {
	[ -e $lx_root/bin/busybox ] && return
	for d in bin proc sys dev tmp out; do
		mkdir -p "$lx_root/$d"
	done
	cp /bin/busybox $lx_root/bin/
	chroot $lx_root /bin/busybox --install -s /bin
	cat > $lx_root/bin/payload <<'END'
#!/bin/sh
while read -r l; do echo "$l"; done < /proc/self/status > /out/status.new
trap 'reboot -f' INT
trap 'exit 0' PWR TERM
mv /out/status.new /out/status
printf . >> /out/boots
while :; do sleep 1000 & wait $!; done
END
	chmod 755 $lx_root/bin/payload
}

# lx_make NAME [LINE...]: makes a container with these lines at the end of its config.
lx_make() {
	lx_setup
	lx_name=$1
	shift
	mkdir -p "$lx_path/$lx_name" "$lx_out/$lx_name"
	chmod 777 "$lx_out/$lx_name"
	{
		cat <<END
# $lx_name, made by a test
lxc.include = /usr/share/lxc/config/numaplace.conf
lxc.rootfs.path = dir:$lx_root
lxc.uts.name = $lx_name
lxc.init.cmd = /bin/payload
lxc.net.0.type = empty
lxc.mount.auto = proc:mixed sys:ro
lxc.mount.entry = $lx_out/$lx_name out none bind 0 0
END
		for lx_line; do
			printf '%s\n' "$lx_line"
		done
	} > "$lx_path/$lx_name/config"
}

# lx_start NAME [OPTION...]: starts the container and waits until its init runs. The log is $lx_out/NAME.log.
lx_start() {
	lx_name=$1
	shift
	rm -f "$lx_out/$lx_name/status" "$lx_out/$lx_name.log"
	timeout 200 lxc-start -n "$lx_name" -o "$lx_out/$lx_name.log" "$@" &&
		eventually [ -e "$lx_out/$lx_name/status" ]
}

lx_refused() {
	lx_name=$1
	rm -f "$lx_out/$lx_name.log"
	! timeout 100 lxc-start -n "$lx_name" -o "$lx_out/$lx_name.log"
}

# lx_seen NAME FIELD: a field of /proc/self/status at the start of init.
lx_seen() { sed -n "s/^$2:[[:space:]]*//p" "$lx_out/$1/status"; }
# lx_line NAME KEY: the value of a key in the config.
lx_line() { sed -n "s/^$2 = //p" "$lx_path/$1/config"; }
# lx_said NAME: the lines of numaplace in the log of the container.
lx_said() { grep '^numaplace ' "$lx_out/$1.log"; }
lx_cgroup() { echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(lxc-info -n "$1" -pH)/cgroup")"; }
lx_stop() { timeout 60 lxc-stop -k -n "$1"; }

# in_ledger NAME: the number of records of that container.
in_ledger() { grep -rlsx -- "id=$1" /run/numaplace/containers 2>/dev/null | wc -l; }

lx_end() {
	for lx_c in $(lxc-ls -1 2>/dev/null); do
		timeout 30 lxc-stop -k -n "$lx_c" 2>/dev/null
		rm -rf "${lx_path:?}/$lx_c"
	done
}
trap lx_end EXIT
