# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The Debian packages, built for this very suite: installed, used, removed, purged;
# afterwards nothing of them is left. Last in its guest: what `make install` put there goes first.
# Layout: 4x2-pairs, systemd.

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh
export DEBIAN_FRONTEND=noninteractive

# Everything of ours, wherever it may be.
ours() { find /etc /usr /run /var/lib /var/cache /opt -xdev -path /usr/share/doc -prune -o -iname '*numaplace*' ! -name "numaplace-tests*" -print; }

rm -rf /usr/bin/numaplace* /usr/libexec/numaplace /usr/share/numaplace /etc/numaplace /run/numaplace
for f in $(ours); do rm -rf "$f"; done
is "at first there is nothing" "$(ours)" ''
systemctl daemon-reload

ok "installs" dpkg -i /tests/deb/*.deb
is "all four are installed" \
	"$(dpkg-query -W -f '${db:Status-Status} ' numaplace numaplace-lxc libnumaplace0 libnumaplace-dev)" \
	'installed installed installed installed '
is "it names what it is linked with" \
	"$(dpkg-query -W -f '${Depends}' numaplace | grep -oE 'libnuma1|libyajl2' | xargs)" 'libnuma1 libyajl2'
is "the ledger's folder is there, root's alone" "$(stat -c '%a %U' /run/numaplace)" '700 root'
is "timers are there and not enabled" \
	"$(systemctl is-enabled numaplace-rebalance.timer numaplace-metrics.timer 2>&1 | xargs)" 'disabled disabled'
ok "numaplace runs" numaplace topology
ok "and knows all that it is linked with" sh -c '! ldd /usr/bin/numaplace* /usr/libexec/numaplace/* | grep "not found"'

# --- used: podman finds the hook by itself
ct_setup
tar -C "$ct_root" -cf /run/tests/root.tar .
podman image exists np || podman import /run/tests/root.tar np > /dev/null || bail "no image"
like "a container of podman is placed" \
	"$(podman run --rm --network none --annotation limits.cpu=4 np grep allowed_list /proc/self/status | xargs)" \
	'^Cpus_allowed_list: (0-3 Mems_allowed_list: 0-1|4-7 Mems_allowed_list: 2-3)$'
podman run -d --name left --network none --annotation limits.cpu=2 np sleep 1000
is "one that lives is in the ledger" "$(numaplace status --json | jq '.containers | length')" 1
ok "metrics.service" systemctl start numaplace-metrics.service
ok "rebalance.service" systemctl start numaplace-rebalance.service
mkdir -p /var/lib/prometheus/node-exporter
ok "metrics.service, with a folder for it" systemctl start numaplace-metrics.service
like "writes for node-exporter" "$(cat /var/lib/prometheus/node-exporter/numaplace.prom)" '^numaplace_containers'
rm -rf /var/lib/prometheus
ok "a timer can be enabled" systemctl enable --now numaplace-rebalance.timer

# --- an administrator's conf outlives a removal, not a purge
echo '# mine' >> /etc/numaplace/numaplace.conf
ok "remove" dpkg -r numaplace-lxc numaplace
ok "the conf is still there" grep -q mine /etc/numaplace/numaplace.conf
is "the hook is not: containers start as if it had never been" \
	"$(podman run --rm --network none --annotation limits.cpu=4 np grep Cpus_allowed_list /proc/self/status | xargs)" \
	'Cpus_allowed_list: 0-7'
ok "one that was placed can be stopped" podman rm -f -t 0 left
ok "purge" dpkg -P numaplace-lxc numaplace libnumaplace-dev libnumaplace0
systemctl daemon-reload
is "nothing is left" "$(ours)" ''
is "no timer either" "$(systemctl list-timers --all --no-legend | grep -c numaplace)" 0
done_testing
