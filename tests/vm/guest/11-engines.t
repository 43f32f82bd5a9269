# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Tests the harness under systemd, without numaplace: each engine of the suite runs a container. The engines of each suite
# are listed here, so that a missing package is a failure.
# Layout: any, systemd.

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh
# shellcheck source=engines.sh
. /tests/engines.sh

is "systemd runs without a failed unit" "$(systemctl list-units --failed --no-legend --plain)" ""

ct_setup
tar -C "$ct_root" -cf /run/tests/root.tar .
ok "podman imports an image" podman import /run/tests/root.tar np
for rt in runc crun; do
	for manager in systemd cgroupfs; do
		like "podman with $rt and $manager runs a container" "$(podman --runtime $rt --cgroup-manager $manager run \
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
	ok "the Docker engine starts" systemctl start docker.service
	ok "the Docker engine listens on its socket" eventually [ -S /run/docker.sock ]
	systemctl stop docker.service docker.socket
fi
if [ "$engine" ]; then
	ok "$engine is set up" engine_up $engine
	ok "$engine starts a container" "$cli" launch np a -c limits.cpu=2
	# The scheduler of the daemon sets the CPUs some time after the start.
	ok "$engine: a container with limits.cpu=2 gets 2 CPUs" eventually two_cpus
	ok "$engine deletes a container" "$cli" delete --force a
fi
done_testing
