# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The harness again, without numaplace, under systemd: each engine that the suite
# has runs a container. What a suite lacks is known here, so that a package gone
# missing shows.
# Layout: any, systemd.

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh
# shellcheck source=engines.sh
. /tests/engines.sh

is "systemd is up, with no unit failed" "$(systemctl list-units --failed --no-legend --plain)" ""

ct_setup
tar -C "$ct_root" -cf /run/tests/root.tar .
ok "podman: an image" podman import /run/tests/root.tar np
for rt in runc crun; do
	for manager in systemd cgroupfs; do
		like "podman, $rt, $manager: runs" "$(podman --runtime $rt --cgroup-manager $manager run \
			--rm --network none np cat /proc/self/status 2>&1)" '^Cpus_allowed_list:.0-'
	done
done

# shellcheck disable=SC2317 # called by eventually
two_cpus() { [ "$("$cli" exec a -- nproc)" = 2 ]; }
case $SUITE in
trixie) engine=incus docker=1 ;;
bookworm) engine=lxd docker=1 ;;
*) engine='' docker='' ;;
esac
if [ "$docker" ]; then
	ok "docker: its engine starts" systemctl start docker.service
	ok "docker: and listens" eventually [ -S /run/docker.sock ]
	systemctl stop docker.service docker.socket
fi
if [ "$engine" ]; then
	ok "$engine: is up" engine_up $engine
	ok "$engine: a container starts" "$cli" launch np a -c limits.cpu=2
	# Its scheduler comes after the start, in its own time.
	ok "$engine: on 2 CPUs" eventually two_cpus
	ok "$engine: and is deleted" "$cli" delete --force a
fi
done_testing
