#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash disable=SC1091,SC2154 # what it sources is in the guest
# time limit: 1500 s
#
# In a guest: measures the time of a container from `runc run` or `crun run` to its end, without a hook, with the hook of
# numaplace (with and without keys), and with hooks that do nothing, in C, shell and Go; then the hooks without a runtime.
# Writes the output of drive.c to descriptor 3: RUNTIME|hook NAME MEDIAN P99 LEAST MEMORY. RUNS: the number of runs.

. /tests/lib.sh
. /tests/containers.sh
. /tests/bench-config
here=/run/tests/bench
hook=/usr/libexec/numaplace/oci-hook
mkdir -p $here
cd $here || exit 1
mount -t tmpfs none /run/tests/bench && cd $here || exit 1
: > conf
: > none
cat > noop-shell <<'END'
#!/bin/sh
while read -r _; do :; done
END
chmod 755 noop-shell
cp /tests/noop-static /tests/noop-dynamic /tests/noop-go .

# containers NAME [bundle's options]: makes a bundle whose container ends at once.
one() {
	name=$1
	shift
	bundle "$name" "$@" -- /bin/true
}
one nohook
one keyless -h "createRuntime=$hook,createRuntime" -a org.example=nothing
one placing -h "createRuntime=$hook,createRuntime" -a limits.cpu=2 -a limits.memory=32MiB
for how in static dynamic shell go; do
	one "noop-$how" -h "createRuntime=$here/noop-$how"
done

for rt in runc crun; do
	path=$(command -v $rt)
	for name in nohook noop-static noop-dynamic noop-shell noop-go keyless placing; do
		echo "run $name none $path run --bundle $ct_dir/$name bench-$name"
	done > runs
	# No poststop is run: the next start sweeps dead containers from the ledger.
	/tests/drive "$RUNS" 2 < runs > took && sed "s/^/$rt /" took >&3
done

# The hooks without a runtime: each run needs a new container, because the cpuset of a cgroup with processes cannot be
# cleared.
one alone
cat > renew <<END
#!/bin/sh
crun delete --force alone
crun create --bundle $ct_dir/alone alone > log 2>&1 < /dev/null || exit 1
crun state alone | jq -c '.annotations = {"limits.cpu":"2","limits.memory":"32MiB"}' > $here/keyed
END
chmod 755 renew
./renew
echo '{"id":"alone","pid":1,"status":"created","annotations":{"org.example":"nothing"}}' > bare
for name in static dynamic shell go; do
	echo "run noop-$name keyed $here/noop-$name"
done > runs
cat >> runs <<END
run keyless bare $hook createRuntime
run placing keyed $hook createRuntime
after placing $here/renew
END
/tests/drive "$RUNS" 2 < runs > took && sed "s/^/hook /" took >&3
crun delete --force alone
: > "$LOG.done"
