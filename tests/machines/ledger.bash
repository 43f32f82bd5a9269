# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# A ledger made by hand for a made machine: records as a hook would have left
# them. Below a sysroot it is not known whether a container lives, so they stay.
#
# record STATE ID COUNT CPUS NODES MEMS [runtime=R] [ask.KEY=VALUE]... [mem.N=BYTES]... [why=TEXT]...
# The record's own order of lines is kept whatever the order of the words.

crc_line() { # stdin's, in gzip's last eight bytes
	printf 'crc=%s\n' "$(gzip -c | tail -c 8 | head -c 4 | od -An -tx1 | awk '{ print $4 $3 $2 $1 }')"
}

file_of() { # ID: as the ledger names its file
	local LC_ALL=C text=$1 i c
	for ((i = 0; i < ${#text}; i++)); do
		c=${text:i:1}
		case $c in
		[A-Za-z0-9._-]) printf %s "$c" ;;
		*) printf '%%%02X' "'$c" ;;
		esac
	done
}

record() {
	local state=$1 id=$2 count=$3 cpus=$4 nodes=$5 mems=$6 runtime=runc class=oci word
	local ask='' own='' mem='' why='' held='' policy=strict
	shift 6
	for word; do
		case $word in
		runtime=*) runtime=${word#*=} ;;
		ask.*) ask+=$word$'\n' ;;
		own.* | pin.*) own+=$word$'\n' ;;
		held=*) held=$word$'\n' ;;
		policy=*) policy=${word#*=} ;;
		mem.*) mem+="${word%%=*}=${word#*=},0,0:0:0:0/0:0:0:0"$'\n' ;;
		why=*) why+=$word$'\n' ;;
		esac
	done
	case $runtime in lxc | incus | lxd) class=$runtime ;; esac
	mkdir -p "$state/containers"
	chmod 700 "$state" "$state/containers"
	{
		printf 'numaplace-record 1\nid=%s\nruntime=%s\ncgroup=/made/%s\ninode=%s\nstarted=0\napplied=cpuset\n' \
			"$id" "$runtime" "$id" "${#id}$count"
		printf '%s%scount=%s\ncpus=%s\n%snodes=%s\nmems=%s\npolicy=%s\novercommitted=0\n%s%s' \
			"$ask" "$own" "$count" "$cpus" "$held" "$nodes" "$mems" "$policy" "$mem" "$why"
	} > "$state/record"
	crc_line < "$state/record" >> "$state/record.crc"
	cat "$state/record" "$state/record.crc" > "$state/containers/$class:$(file_of "$id")"
	rm "$state/record" "$state/record.crc"
}
