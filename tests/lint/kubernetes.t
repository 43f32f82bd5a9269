#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# contrib/kubernetes: the manifests can be parsed and refer to each other; what they name of the plugin (programs, socket,
# folders, capabilities, API) is what the source uses. There is no cluster here: nothing is applied.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
cd "${0%/*}/../.." || exit
build=${NUMAPLACE_BUILD:-build}
folder=contrib/kubernetes

if ! "${CC:-cc}" -o "$tmp/yaml-json" tests/lint/yaml-json.c -lyaml 2> "$tmp/why"; then
	echo "1..0 # SKIP no libyaml to compile with: $(head -n 1 "$tmp/why")"
	exit
fi

# --- the reader itself
printf 'a: [1, true, "1", x]\n---\nb: {c: |\n  two\n  }\n' | "$tmp/yaml-json" > "$tmp/out" 2> /dev/null
[ "$(head -n 1 "$tmp/out")" = '{"a":[1,true,"1","x"]}' ]
ok $? 'planted: documents become JSON' "$(cat "$tmp/out")"
for bad in 'a: 1\na: 2' 'a: [1' 'a: b: c'; do
	# shellcheck disable=SC2059 # the text is the format
	! printf "$bad\n" | "$tmp/yaml-json" > /dev/null 2>&1
	ok $? "planted: $bad is an error"
done

# --- each file
mapfile -t files < <(find $folder -name '*.yaml' | LC_ALL=C sort)
for file in "${files[@]}"; do
	"$tmp/yaml-json" < "$file" > "$tmp/documents" 2> "$tmp/why"
	ok $? "${file#contrib/}: can be parsed" "$(cat "$tmp/why")"
	jq -e '(.apiVersion | type) == "string" and (.kind | type) == "string" and
		(.kind == "Kustomization" or (.metadata.name | type) == "string")' "$tmp/documents" > "$tmp/why" 2>&1
	ok $? "${file#contrib/}: each document has apiVersion, kind and a name" "$(cat "$tmp/documents")"
	cat "$tmp/documents" >> "$tmp/all"
	[ "${file##*/}" != kustomization.yaml ] || {
		missing=''
		while read -r name; do
			[ -e "${file%/*}/$name" ] || missing="$missing $name"
		done < <(jq -r '.resources[], (.patches // [] | .[].path)' "$tmp/documents")
		[ -z "$missing" ]
		ok $? "${file#contrib/}: the files that it lists exist" "$missing"
		unlisted=''
		for other in "${file%/*}"/*.yaml; do
			[ "$other" = "$file" ] || jq -r '.resources[], (.patches // [] | .[].path)' "$tmp/documents" |
				grep -qxF "${other##*/}" || unlisted="$unlisted $other"
		done
		[ -z "$unlisted" ]
		ok $? "${file#contrib/}: it lists all files of its folder" "$unlisted"
	}
done
[ ${#files[@]} -ge 9 ]
ok $? 'all manifests are found' "${files[*]}"
if command -v kubectl > /dev/null && kubectl kustomize --help > /dev/null 2>&1; then
	for layer in "$folder"/base "$folder"/overlays/*; do
		kubectl kustomize "$layer" > "$tmp/rendered" 2> "$tmp/why" && [ ! -s "$tmp/why" ]
		ok $? "${layer#contrib/}: kubectl can render it, without a warning" "$(cat "$tmp/why")"
	done
fi

# --- agreement with the source
# defined FILE NAME: the string that a #define gives NAME.
defined() { sed -n "s/^#define $2 *\"\(.*\)\".*/\1/p" "$1"; }
# of NAME FILTER: a value of the DaemonSet; $c is its container NAME.
of() { jq -r "select(.kind == \"DaemonSet\") | .spec.template.spec as \$pod | \$pod.containers[] | select(.name == \"$1\") as \$c | $2" "$tmp/all"; }
one() { of numaplace-nri "$1"; }
kube() { of numaplace-kube "$1"; }
# same NAME GOT WANT
same() {
	[ -n "$2" ] && [ "$2" = "$3" ]
	ok $? "$1" "manifest: $2" "source: $3"
}
socket=$(defined runtime-hooks/nri/numaplace-nri.c SOCKET)
for path in "${socket%/*}" "$(defined place/paths.h PLACE_STATE)" "$(defined cgroup/find.c USUAL_MOUNT)" /sys; do
	same "$path of the host is mounted at the same path" \
		"$(one "\$c.volumeMounts[] | select(.mountPath == \"$path\").name as \$n | \$pod.volumes[] | select(.name == \$n).hostPath.path")" "$path"
done
same 'only the cgroups, the ledger and the socket can be written' \
	"$(one '[$c.volumeMounts[] | select(.readOnly | not).mountPath] | sort | join(" ")')" \
	"$(printf '%s\n' "${socket%/*}" "$(defined place/paths.h PLACE_STATE)" "$(defined cgroup/find.c USUAL_MOUNT)" | LC_ALL=C sort | xargs)"
same 'each mount has its volume' "$(one '[$c.volumeMounts[].name] | sort | join(" ")')" "$(one '[$pod.volumes[].name] | sort | join(" ")')"
conf=$(defined place/paths.h PLACE_CONF)
same 'the configuration is mounted where the plugin reads it' \
	"$(one '$pod.volumes[] | select(.configMap).name as $n | $c.volumeMounts[] | select(.name == $n).mountPath')" "${conf%/*}"
same 'the ConfigMaps have the file of the configuration' \
	"$(jq -r 'select(.kind == "ConfigMap") | .data | keys[]' "$tmp/all" | sort -u | xargs)" "${conf##*/}"
program=$(one '$c.command[0]')
same 'the image runs the program of the DaemonSet' "$(sed -n 's/^ENTRYPOINT \["\(.*\)"\]/\1/p' $folder/Dockerfile)" "$program"
same 'the image has the static programs that make builds for it' "$(sed -n 's,^COPY \(numaplace.*\) /$,\1,p' $folder/Dockerfile)" \
	"$(sed -n 's,^image_programs = $(addprefix $(O)/image/\,\(.*\))$,\1,p' Makefile)"
same 'the image has the folder of numaplace-kube that make fills' "$(sed -n 's,^COPY \(.*\)/ /$,\1,p' $folder/Dockerfile)" \
	"$(sed -n 's,^	$(INSTALL) -s -m 755 $(O)/numaplace-kube $(O)/image/\(.*\)/$,\1,p' Makefile)"
same 'one of them is the program of the DaemonSet' "$(sed -n 's/^COPY //p' $folder/Dockerfile | tr ' ' '\n' | grep -x "${program#/}")" "${program#/}"
same 'the image has the version of numaplace' "$(one '$c.image | sub(".*:"; "")')" "$(sed -n 's/^VERSION = //p' Makefile)"
# SYS_PTRACE: cgroup_enter_host(), which the service does not need.
same 'the capabilities are those of the systemd service, and SYS_PTRACE' "$(one '$c.securityContext.capabilities.add | sort | join(" ")')" \
	"$({ sed -n 's/^CapabilityBoundingSet=//p' contrib/systemd/numaplace-nri.service.in | tr ' ' '\n' | sed 's/^CAP_//'
		grep -q CAP_SYS_PTRACE cgroup/namespace.c && echo SYS_PTRACE; } | LC_ALL=C sort | xargs)"
same 'the container is not privileged, and has no other capability' \
	"$(one '[$c.securityContext | .privileged, .allowPrivilegeEscalation, .readOnlyRootFilesystem, .capabilities.drop[]] | join(" ")')" \
	'false false true ALL'
same 'the pods of the DaemonSet have the labels that it selects' "$(jq -c 'select(.kind == "DaemonSet") | .spec.selector // empty | .matchLabels' "$tmp/all")" \
	"$(jq -c 'select(.kind == "DaemonSet") | .spec.template.metadata // empty | .labels' "$tmp/all")"
same 'the pods use the service account' "$(one '$pod.serviceAccountName')" "$(jq -r 'select(.kind == "ServiceAccount") | .metadata.name' "$tmp/all")"
for container in numaplace-nri numaplace-kube; do
	grep -q "getenv(\"$(of $container '$c.env[0].name')\")" runtime-hooks/kube/nrt.c
	ok $? "$container: the variable with the name of the node is the one that the source reads"
done
# --- numaplace-kube
same 'numaplace-kube has the image of the plugin' "$(kube '$c.image')" "$(one '$c.image')"
same 'numaplace-kube: its program is in the folder that the image copies' "$(kube '$c.command[0]')" \
	"/$(sed -n 's,^	$(INSTALL) -s -m 755 $(O)/\(.*\) $(O)/image/kube/$,\1,p' Makefile)"
same 'numaplace-kube: no capability' "$(kube '[$c.securityContext | .privileged, .allowPrivilegeEscalation, .readOnlyRootFilesystem, .capabilities.drop[], .capabilities.add] | map(tostring) | join(" ")')" \
	'false false true ALL null'
same 'numaplace-kube: only the ledger can be written' "$(kube '[$c.volumeMounts[] | select(.readOnly | not).mountPath] | join(" ")')" \
	"$(defined place/paths.h PLACE_STATE)"
same 'numaplace-kube: the paths of volumes that the plugin has, too' \
	"$(kube '[$c.volumeMounts[] | select(.name != "account") | .name + " " + .mountPath] | sort | join(", ")')" \
	"$(one '[$c.volumeMounts[] | select(.name != "nri") | .name + " " + .mountPath] | sort | join(", ")')"
same 'numaplace-kube: the account is mounted where it is read' "$(kube '$c.volumeMounts[] | select(.name == "account").mountPath')" \
	"$(defined runtime-hooks/kube/account.h ACCOUNT_FOLDER)"
same 'numaplace-kube: the files of the account have the names that it reads' \
	"$(kube '[$pod.volumes[] | select(.name == "account").projected.sources[] | .serviceAccountToken.path // .configMap.items[0].path] | join(" ")')" \
	"$(sed -n 's/.*"%s\/\(.*\)", folder.*/\1/p' runtime-hooks/kube/account.c) $(sed -n 's/.*"%s\/\(.*\)", k->account.*/\1/p' runtime-hooks/kube/numaplace-kube.c)"
[ -z "$(one '$c.volumeMounts[] | select(.name == "account")')" ]
ok $? 'numaplace-nri gets no token'
same 'the role: the objects that numaplace-kube writes, and no other verb than server-side apply needs' \
	"$(jq -r 'select(.kind == "ClusterRole") | .rules[] | .apiGroups[0] + " " + .resources[0] + " " + (.verbs | join(" "))' "$tmp/all" | paste -sd ,)" \
	"$(defined runtime-hooks/kube/nrt.h NRT_GROUP) $(defined runtime-hooks/kube/nrt.h NRT_RESOURCE) create patch, events create patch"
same 'the role is bound to the service account' "$(jq -r 'select(.kind == "ClusterRoleBinding") | .roleRef.name + " " + (.subjects[] | .name + " " + .namespace)' "$tmp/all")" \
	"$(jq -r 'select(.kind == "ClusterRole") | .metadata.name' "$tmp/all") $(one '$pod.serviceAccountName') $(jq -r 'select(.kind == "Namespace") | .metadata.name' "$tmp/all")"
mkdir "$tmp/machine"
awk -v root="$tmp/machine" -f tests/machines/make-machine tests/machines/plain-4x2-pairs.machine
n=0
while IFS= read -r text; do
	n=$((n + 1))
	jq -r . <<< "$text" > "$tmp/conf"
	"$build/numaplace" --sysroot "$tmp/machine" --conf "$tmp/conf" plan limits.cpu=1 > "$tmp/why" 2>&1
	ok $? "configuration $n of the ConfigMaps is valid" "$(cat "$tmp/why" "$tmp/conf")"
done < <(jq -c 'select(.kind == "ConfigMap") | .data[]' "$tmp/all")
[ $n = 2 ]
ok $? 'the base and an overlay have a configuration'
mapfile -t keys < <(jq -r 'select(.kind == "Pod") | .metadata.annotations | to_entries[] | .key + "=" + .value' "$tmp/all")
"$build/numaplace" --sysroot "$tmp/machine" plan "${keys[@]}" > "$tmp/why" 2>&1
ok $? 'the annotations of the example are valid keys' "$(cat "$tmp/why")"
# The README names files and make targets.
for word in $(grep -oE '(base|overlays/[a-z-]+|example-pod\.yaml|Dockerfile)\b' $folder/README.md | sort -u); do
	[ -e "$folder/$word" ]
	ok $? "README.md names $word, which exists"
done
grep -q '^image:' Makefile
ok $? 'README.md: make image exists'
done_testing
