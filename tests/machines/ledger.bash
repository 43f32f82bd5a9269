# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# A ledger made by hand for a made machine: records as a hook would have left
# them. Below a sysroot it is not known whether a container lives, so they stay.
#
# record STATE ID COUNT CPUS NODES MEMS [runtime=R] [ask.KEY=VALUE]... [mem.N=BYTES]... [pages.N=PAGES]... [why=TEXT]...
# The record's own order of lines is kept whatever the order of the words.

# The CRC-32 of gzip, without a process: a picture has hundreds of records.
crc_table=()
make_crc_table() {
	local n k c
	for ((n = 0; n < 256; n++)); do
		c=$n
		for ((k = 0; k < 8; k++)); do c=$((c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1)); done
		crc_table[n]=$c
	done
}
crc_of() { # TEXT: sets crc
	local LC_ALL=C text=$1 i c
	[ ${#crc_table[@]} -gt 0 ] || make_crc_table
	crc=$((0xffffffff))
	for ((i = 0; i < ${#text}; i++)); do
		printf -v c %d "'${text:i:1}"
		crc=$((crc_table[(crc ^ c) & 255] ^ crc >> 8))
	done
	printf -v crc %08x $((crc ^ 0xffffffff))
}

file_of() { # ID: sets file to the name that the ledger gives its file
	local LC_ALL=C text=$1 i c
	file=
	for ((i = 0; i < ${#text}; i++)); do
		c=${text:i:1}
		case $c in
		[A-Za-z0-9._-]) ;;
		*) printf -v c '%%%02X' "'$c" ;;
		esac
		file+=$c
	done
}

record() {
	local state=$1 id=$2 count=$3 cpus=$4 nodes=$5 mems=$6 runtime=runc class=oci word
	local ask='' own='' mem='' why='' held='' policy=strict text crc file
	shift 6
	for word; do
		case $word in
		runtime=*) runtime=${word#*=} ;;
		ask.*) ask+=$word$'\n' ;;
		own.* | pin.*) own+=$word$'\n' ;;
		held=*) held=$word$'\n' ;;
		policy=*) policy=${word#*=} ;;
		mem.*) mem+="${word%%=*}=${word#*=},0,0:0:0:0/0:0:0:0"$'\n' ;;
		pages.*) mem+="mem.${word#pages.}"
			mem=${mem%=*}=0,0,${word#*=}:0:0:0/0:0:0:0$'\n' ;;
		why=*) why+=$word$'\n' ;;
		esac
	done
	case $runtime in lxc | incus | lxd) class=$runtime ;; esac
	if ! [ -d "$state/containers" ]; then
		mkdir -p "$state/containers"
		chmod 700 "$state" "$state/containers"
	fi
	printf -v text 'numaplace-record 1\nid=%s\nruntime=%s\ncgroup=/made/%s\ninode=%s\nstarted=0\napplied=cpuset\n%s%s' \
		"$id" "$runtime" "$id" "${#id}$count" "$ask" "$own"
	printf -v text '%scount=%s\ncpus=%s\n%snodes=%s\nmems=%s\npolicy=%s\novercommitted=0\n%s%s' \
		"$text" "$count" "$cpus" "$held" "$nodes" "$mems" "$policy" "$mem" "$why"
	crc_of "$text"
	file_of "$id"
	printf '%scrc=%s\n' "$text" "$crc" > "$state/containers/$class:$file"
}
