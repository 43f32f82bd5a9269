# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The Debian packages, built for this suite: installed, used, removed, purged; afterwards no file of them is left. The last
# test in its guest, because it first removes the files of `make install`.
# Layout: 4x2-pairs, systemd.

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh
export DEBIAN_FRONTEND=noninteractive

# All files of numaplace.
ours() { find /etc /usr /run /var/lib /var/cache /opt -xdev -path /usr/share/doc -prune -o -iname '*numaplace*' ! -name "numaplace-tests*" -print; }

rm -rf /usr/bin/numaplace* /usr/libexec/numaplace /usr/share/numaplace /etc/numaplace /run/numaplace
for f in $(ours); do rm -rf "$f"; done
is "before the installation, no file of numaplace exists" "$(ours)" ''
systemctl daemon-reload

ok "dpkg -i installs the packages" dpkg -i /tests/deb/*.deb
is "all packages are installed" \
	"$(dpkg-query -W -f '${db:Status-Status} ' numaplace numaplace-lxc numaplace-numad libnumaplace0 libnumaplace-dev)" \
	'installed installed installed installed installed '
unlike "numad of Debian is removed" "$(dpkg-query -W -f '${db:Status-Status}' numad)" '^installed'
is "the package depends on the libraries that the programs use" \
	"$(dpkg-query -W -f '${Depends}' numaplace | grep -oE 'libnuma1|libyajl2' | xargs)" 'libnuma1 libyajl2'
is "the package makes the state folder with mode 700" "$(stat -c '%a %U' /run/numaplace)" '700 root'
is "the timers and the service are installed and disabled" \
	"$(systemctl is-enabled numaplace-rebalance.timer numaplace-metrics.timer numaplace-follow.service 2>&1 | xargs)" 'disabled disabled disabled'
ok "the installed numaplace topology succeeds" numaplace topology
ok "ldd finds all libraries of the installed programs" sh -c '! ldd /usr/bin/numaplace* /usr/sbin/numaplace* /usr/libexec/numaplace/* | grep "not found"'

# --- used: podman finds the hook by itself
ct_setup
tar -C "$ct_root" -cf /run/tests/root.tar .
podman image exists np || podman import /run/tests/root.tar np > /dev/null || bail "no image"
like "a container of podman is placed" \
	"$(podman run --rm --network none --annotation limits.cpu=4 np grep allowed_list /proc/self/status | xargs)" \
	'^Cpus_allowed_list: (0-3 Mems_allowed_list: 0-1|4-7 Mems_allowed_list: 2-3)$'
podman run -d --name left --network none --annotation limits.cpu=2 np sleep 1000
is "status shows a live container of podman" "$(numaplace status --json | jq '.containers | length')" 1
ok "numaplace-metrics.service starts" systemctl start numaplace-metrics.service
ok "numaplace-rebalance.service starts" systemctl start numaplace-rebalance.service
mkdir -p /var/lib/prometheus/node-exporter
ok "numaplace-metrics.service starts with a folder of node-exporter" systemctl start numaplace-metrics.service
like "numaplace-metrics.service writes metrics for node-exporter" "$(cat /var/lib/prometheus/node-exporter/numaplace.prom)" '^numaplace_containers'
rm -rf /var/lib/prometheus
ok "a timer can be enabled" systemctl enable --now numaplace-rebalance.timer
ok "numaplace-follow.service can be enabled and starts" systemctl enable --now numaplace-follow.service
case $(numaplace status --json | jq -r '.containers[0].cpus') in 6-7) to='0-1 0' ;; *) to='6-7 3' ;; esac
podman update --cpuset-cpus "${to% *}" left > /dev/null
recorded() { [ "$(numaplace status --json | jq -r '.containers[0] | .cpus + " " + .mems')" = "$1" ]; }
ok "with the service, the record and the memory follow podman update --cpuset-cpus" eventually recorded "$to"
journal() { journalctl --boot -u numaplace-follow --no-pager; }
says="it has now the CPUs ${to% *} and the memory nodes ${to#* }"
logged() { journal | grep -q "$says"; }
eventually logged
like "the service says so in the journal" "$(journal)" "$says"

# its offer is in the ledger for 30 seconds
like "numad is ours" "$(numad -w 1 2>&1)" '^[0-3]$'

# --- a changed numaplace.conf is kept on remove and deleted on purge
echo '# mine' >> /etc/numaplace/numaplace.conf
ok "dpkg -r removes the packages" dpkg -r numaplace-kube numaplace-numad numaplace-nri numaplace-lxc numaplace
ok "dpkg -r keeps a changed numaplace.conf" grep -q mine /etc/numaplace/numaplace.conf
is "after dpkg -r, a container starts on all CPUs" \
	"$(podman run --rm --network none --annotation limits.cpu=4 np grep Cpus_allowed_list /proc/self/status | xargs)" \
	'Cpus_allowed_list: 0-7'
ok "after dpkg -r, a placed container can be removed" podman rm -f -t 0 left
ok "dpkg -P purges the packages" dpkg -P numaplace-kube numaplace-numad numaplace-nri numaplace-lxc numaplace libnumaplace-dev libnumaplace0
systemctl daemon-reload
is "dpkg -P leaves no file" "$(ours)" ''
is "dpkg -P leaves no timer" "$(systemctl list-timers --all --no-legend | grep -c numaplace)" 0
done_testing
