# SPDX-License-Identifier: LGPL-2.1-or-later
# The config.json of a container of the guest tests; the caller gives root, out and payload. As `runc spec` makes it,
# without what the tests do not need (seccomp, a terminal, limits).
{
  ociVersion: "1.0.2",
  process: {
    terminal: false,
    user: {uid: 0, gid: 0},
    args: ["/bin/sh", "-c", $payload],
    env: ["PATH=/bin"],
    cwd: "/",
    noNewPrivileges: true
  },
  root: {path: $root, readonly: true},
  hostname: "ct",
  mounts: [
    {destination: "/proc", type: "proc", source: "proc"},
    {destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"]},
    {destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"]},
    {destination: "/out", type: "bind", source: $out, options: ["bind", "rw"]}
  ],
  linux: {
    resources: {},
    namespaces: [{type: "pid"}, {type: "network"}, {type: "ipc"}, {type: "uts"}, {type: "mount"}, {type: "cgroup"}]
  }
}
