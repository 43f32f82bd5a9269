# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# containerd through CRI, as a kubelet speaks with it, with curl and protoc: gRPC is HTTP/2 with a prefix of five bytes.
# The image "local.test/np:1" has the root of containers.sh, and is also the pause container.

cri_socket=/run/containerd/containerd.sock
cri_dir=/run/tests/cri

# cri METHOD REQUEST ANSWER TEXT: sends TEXT (text format of protobuf) as the message REQUEST, and prints the answer in text
# format, or "error: MESSAGE" with status 1.
cri() {
	mkdir -p $cri_dir
	printf '%s\n' "$4" | protoc -I/tests --encode="runtime.v1.$2" /tests/cri.proto > $cri_dir/body || return 1
	{
		printf '\0'
		# The length, big-endian.
		printf '%08x' "$(stat -c %s $cri_dir/body)" | sed 's/../\\x&/g' | xargs -0 /usr/bin/printf '%b'
		cat $cri_dir/body
	} > $cri_dir/request
	curl --silent --max-time 300 --http2-prior-knowledge --unix-socket $cri_socket \
		-H 'content-type: application/grpc' -H 'te: trailers' --data-binary @$cri_dir/request \
		-D $cri_dir/headers -o $cri_dir/answer "http://localhost/runtime.v1.RuntimeService/$1" || {
		journalctl --boot --no-pager --lines 40 --unit containerd.service --unit numaplace-nri.service >&2
		ps -ef >&2
		return 1
	}
	if ! grep -qi '^grpc-status: 0' $cri_dir/headers; then
		journalctl --boot --no-pager --lines 15 --unit containerd.service --unit numaplace-nri.service >&2
		echo "error: $(sed -n 's/^grpc-message: //Ip' $cri_dir/headers)"
		return 1
	fi
	tail -c +6 $cri_dir/answer | protoc -I/tests --decode="runtime.v1.$3" /tests/cri.proto
}

cri_id() { sed -n 's/^id: "\(.*\)"/\1/p'; }

# cri_image: makes and imports the image.
cri_image() {
	i=$cri_dir/image
	mkdir -p $i
	# shellcheck disable=SC2154 # of containers.sh
	tar -C "$ct_root" -cf $i/layer.tar .
	jq -n --arg layer "sha256:$(sha256sum < $i/layer.tar | cut -d' ' -f1)" '{architecture: "amd64", os: "linux",
		config: {Entrypoint: ["/bin/sleep", "100000"]}, rootfs: {type: "layers", diff_ids: [$layer]}}' > $i/config.json
	echo '[{"Config":"config.json","RepoTags":["local.test/np:1"],"Layers":["layer.tar"]}]' > $i/manifest.json
	tar -C $i -cf $cri_dir/image.tar manifest.json config.json layer.tar
	ctr -n k8s.io images import $cri_dir/image.tar
}

# cri_up: starts containerd with NRI, and its settings.
cri_up() {
	mkdir -p /etc/containerd
	cat > /etc/containerd/config.toml <<- 'END'
		version = 2
		# On a busy machine, containerd would drop tasks at its restart whose shims answer too late.
		[timeouts]
		  "io.containerd.timeout.shim.load" = "60s"
		  "io.containerd.timeout.task.state" = "60s"
		[plugins."io.containerd.nri.v1.nri"]
		  disable = false
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "local.test/np:1"
		  enable_cdi = true
		[plugins."io.containerd.grpc.v1.cri".containerd]
		  snapshotter = "native"
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		  runtime_type = "io.containerd.runc.v2"
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
		  SystemdCgroup = true
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]
		  runtime_type = "io.containerd.runc.v2"
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun.options]
		  BinaryName = "/usr/bin/crun"
		  SystemdCgroup = true
	END
	systemctl restart containerd.service && eventually ctr version > /dev/null
}

# pod_config NAME [ANNOTATION=VALUE...]: the text of a PodConfig, with the resources in $pod_resources.
pod_resources=
pod_config() {
	p_name=$1 p_annotations='' p_resources=''
	shift
	[ -z "$pod_resources" ] || p_resources="resources { $pod_resources }"
	for p; do
		p_annotations="$p_annotations annotations { key: \"${p%%=*}\" value: \"${p#*=}\" }"
	done
	echo "metadata { name: \"$p_name\" uid: \"u-$p_name\" namespace: \"default\" } log_directory: \"/run/tests/logs/$p_name\"
		linux { cgroup_parent: \"kubepods-pod$p_name.slice\" security_context { namespace_options { network: 2 } }
		$p_resources }
		$p_annotations"
}

# pod NAME [ANNOTATION=VALUE...]: starts a pod; its id is in $pod, its configuration in $pod_config. $handler: its runtime.
handler=
pod() {
	pod_config=$(pod_config "$@")
	mkdir -p "/run/tests/logs/$1"
	said=$(cri RunPodSandbox RunPodSandboxRequest Id "config { $pod_config } runtime_handler: \"$handler\"")
	pod=$(echo "$said" | cri_id)
	echo "$said"
	[ "$pod" ]
}

# create NAME RESOURCES COMMAND...: creates a container in the last pod; its id is in $ctr, what containerd answers in $said. $more:
# other fields of its configuration.
more=
create() {
	c_name=$1 c_resources=$2 c_command=
	shift 2
	for p; do
		c_command="$c_command command: \"$p\""
	done
	said=$(cri CreateContainer CreateContainerRequest Id "pod_sandbox_id: \"$pod\" sandbox_config { $pod_config }
		config { metadata { name: \"$c_name\" } image { image: \"local.test/np:1\" } log_path: \"$c_name.log\"
			$c_command $more linux { resources { $c_resources } } }")
	ctr=$(echo "$said" | cri_id)
	[ "$ctr" ]
}

# start: starts the last container; what containerd answers is in $said.
start() { said=$(cri StartContainer Id Empty "id: \"${1:-$ctr}\""); }
stop() { cri StopContainer Id Empty "id: \"${1:-$ctr}\"" && cri RemoveContainer Id Empty "id: \"${1:-$ctr}\""; }
stop_pod() { cri StopPodSandbox Id Empty "id: \"${1:-$pod}\"" && cri RemovePodSandbox Id Empty "id: \"${1:-$pod}\""; }
