# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The only makefile of numaplace (GNU make). `make help` lists the targets.
#
# Make only lists the files of the tree when it reads this file; it runs the compiler and pkg-config when a recipe needs
# them, so that `make deps` works on a machine that has only make. Objects go to O=DIR; your CPPFLAGS, CFLAGS and LDFLAGS
# come last and override others.

VERSION = 0.1.0

prefix = /usr/local
exec_prefix = $(prefix)
bindir = $(exec_prefix)/bin
sbindir = $(exec_prefix)/sbin
libdir = $(exec_prefix)/lib
includedir = $(prefix)/include
pkgconfigdir = $(libdir)/pkgconfig
libexecdir = $(exec_prefix)/libexec
datadir = $(prefix)/share
mandir = $(datadir)/man
hooksdir = $(datadir)/containers/oci/hooks.d
completionsdir = $(datadir)/bash-completion/completions
zshdir = $(datadir)/zsh/$(if $(filter /usr,$(prefix)),vendor-completions,site-functions)
fishdir = $(datadir)/fish/vendor_completions.d
unitdir = $(prefix)/lib/systemd/system
tmpfilesdir = $(prefix)/lib/tmpfiles.d
# The path that the programs read; a package can change it.
sysconfdir = /etc

O = build
CFLAGS = -O2 -g
# Whether oci-hook, which runs for half a millisecond, is linked statically: auto (if possible) or no.
STATIC = auto
PKG_CONFIG = pkg-config
INSTALL = install
export STRICT HOST

# --- flags -------------------------------------------------------------------

# $(call once,NAME,COMMAND): the output of COMMAND, which runs at the first use of NAME.
once = $(if $(filter undefined,$(origin memo.$(1))),$(eval memo.$(1) := $(shell $(2))))$(memo.$(1))
# $(call cc-option,NAME,OPTION): OPTION if the compiler accepts it without a warning, else nothing.
try-option = $(CC) -Werror -O2 $(1) -c -include features.h -x c /dev/null -o /dev/null 2>/dev/null && echo '$(1)'
cc-option = $(call once,$(1),$(call try-option,$(2)))
# Whether pkg-config knows library $(1).
has = $(call once,has.$(1),$(PKG_CONFIG) --exists $(1) 2>/dev/null && echo yes)
pkg-cflags = $(foreach p,$(1),$(call once,cflags.$(p),$(PKG_CONFIG) --cflags $(p)))
pkg-libs = $(foreach p,$(1),$(call once,libs.$(p),$(PKG_CONFIG) --libs $(p)))
need-pkgs = $(if $(1),@$(PKG_CONFIG) --exists --print-errors $(1) || \
	{ echo >&2 '$@ needs $(1): make deps'; exit 1; })

warnings = -Wall -Wextra -Wshadow -Wconversion
# Level 3 if it exists; not without optimisation, and not if your flags set a level.
fortify = $(if $(findstring FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,\
	$(if $(filter -O -O1 -O2 -O3 -Os -Og,$(CFLAGS)),\
	-U_FORTIFY_SOURCE $(or $(call cc-option,fortify,-D_FORTIFY_SOURCE=3),-D_FORTIFY_SOURCE=2)))
hardening = -fPIE -fstack-protector-strong \
	$(call cc-option,clash,-fstack-clash-protection) $(call cc-option,cf,-fcf-protection)
# -ffp-contract=off: other architectures round a multiplication and an addition in one step, which may change a choice
# between equal sets.
all_cflags = -std=gnu11 -D_GNU_SOURCE -I. $(warnings) $(hardening) $(fortify) -ffp-contract=off \
	$(call cc-option,prefix-map,-ffile-prefix-map=$(CURDIR)/=) $(CPPFLAGS) $(CFLAGS)
all_ldflags = $(or $(link_static),-pie) -Wl,-z,relro,-z,now -Wl,--as-needed $(CFLAGS) $(LDFLAGS)

# -static-pie if the static libraries of libc and yajl exist and your flags allow it (a sanitizer does not).
try-static = echo 'int main(void) { return 0; }' | $(CC) -static-pie $(CFLAGS) $(LDFLAGS) -x c - -l:libyajl_s.a \
	-o /dev/null 2>/dev/null && echo -static-pie
static_pie = $(if $(filter no,$(STATIC)),,$(call once,static,$(try-static)))

# --- what is built from what -------------------------------------------------

objects = $(patsubst %.c,$(O)/%.o,$(wildcard $(1)))
made_objects = $(patsubst %.c,$(O)/%.o,$(1))

# Each room is an archive; a program that links one also needs the archives listed behind it.
base = $(O)/libbase.a
machine = $(O)/libmachine.a $(base)
select = $(O)/libselect.a $(machine)
ledger = $(O)/libledger.a $(select)
cgroup = $(O)/libcgrouproom.a $(ledger)
place = $(O)/libplace.a $(cgroup)
# The library as the command links it, without the cost of a shared library; other programs get $(library_objects).
front = $(O)/libfront.a $(place)
common = $(O)/libcommon.a $(place)
oci_parts = $(call objects,$(addprefix runtime-hooks/oci/,oci-state.c oci-variables.c oci-devices.c oci-config.c spec-edit.c spec-hook.c \
	runtime-version.c command.c bundle.c))
plan_parts = $(call objects,runtime-hooks/oci/oci-plan.c)
oci_hook_objects = $(call objects,runtime-hooks/oci/oci-hook.c)
lxc_parts = $(call objects,$(addprefix runtime-hooks/lxc/,lxc-keys.c lxc-limits.c lxc-record.c lxc-log.c))
criu_hook_objects = $(call objects,runtime-hooks/criu/criu-hook.c)
lxc_hook_objects = $(call objects,$(addprefix runtime-hooks/lxc/,lxc-hook.c lxc-config.c lxc-restored.c))
incus_parts = $(call objects,$(addprefix runtime-hooks/incus/,incus-hook.c incus-start.c incus-config.c incus-devices.c incus-backup.c yaml.c))
incus_none = $(call objects,$(addprefix runtime-hooks/incus/,incus-hook.c incus-start-none.c))
lxc_incus_parts = $(if $(call has,yaml-0.1),$(incus_parts),$(incus_none))
incus_api_parts = $(call objects,$(addprefix runtime-hooks/incus/,incus-api.c incus-config.c incus-devices.c))
incus_agent_objects = $(call objects,$(addprefix runtime-hooks/incus/,incus-agent.c incus-tell.c incus-machines.c incus-vm.c))
wrapper_objects = $(call objects,$(addprefix runtime-hooks/oci/,numaplace-runtime.c cgroups-path.c))
# protoc-c makes nri.pb-c.c; only it and nri-message.c use the library.
nri_wire = $(call made_objects,$(addprefix runtime-hooks/nri/,nri-frame.c nri-arena.c nri-message.c nri.pb-c.c))
# What reads pods as an OCI hook reads containers, and places them.
nri_parts = $(call objects,$(addprefix runtime-hooks/nri/,nri-session.c nri-request.c nri-home.c nri-moves.c nri-patience.c nri-state.c \
	nri-agent.c)) $(nri_wire) \
	$(call objects,$(addprefix runtime-hooks/oci/,oci-config.c oci-variables.c oci-devices.c oci-state.c cgroups-path.c)) \
	$(call objects,$(addprefix runtime-hooks/kube/,refusal.c kube-name.c))
nri_objects = $(call objects,runtime-hooks/nri/numaplace-nri.c)
# libvirt runs both by paths of its own; see sbin_programs.
libvirt_parts = $(call objects,$(addprefix runtime-hooks/libvirt/,xml.c xml-tree.c domain.c domain-request.c domain-devices.c \
	domain-layout.c domain-edit.c virsh.c qemu.c))
libvirt_hook_objects = $(call objects,runtime-hooks/libvirt/libvirt-hook.c)
virt_objects = $(call objects,runtime-hooks/libvirt/virt.c)
numad_objects = $(call objects,runtime-hooks/libvirt/numad.c)
service_hook_objects = $(call objects,runtime-hooks/systemd/service-hook.c)
# What the API of Kubernetes gets: a room between the library and the other programs. Only https.c uses libcurl.
kube_room = $(O)/libkube.a $(O)/libcommon.a $(front)
kube_objects = $(call objects,$(addprefix runtime-hooks/kube/,numaplace-kube.c https.c))
cli_objects = $(call objects,cli/*.c)

# libnumaplace is made of the same sources, compiled once more: for a shared library, and for callers with threads,
# signal handlers and a long life (NUMAPLACE_LIBRARY).
library_objects = $(patsubst %.c,$(O)/pic/%.o,$(wildcard lib/*.c))
library_rooms = $(O)/pic/rooms.a
soname = libnumaplace.so.0
library = $(if $(library_objects),$(O)/libnumaplace.so.$(VERSION))

# The programs that can be built: those of users and those that only runtimes call.
bin_programs = $(if $(cli_objects),$(O)/numaplace) $(if $(wrapper_objects),$(O)/numaplace-runtime)
libexec_programs = $(if $(oci_hook_objects),$(O)/oci-hook) $(if $(criu_hook_objects),$(O)/criu-hook) $(if $(lxc_hook_objects),$(O)/lxc-hook) \
	$(if $(service_hook_objects),$(O)/service-hook) $(if $(incus_agent_objects),$(O)/incus-agent) $(if $(nri_objects),$(O)/numaplace-nri) $(if $(kube_objects),$(O)/numaplace-kube) \
	$(if $(virt_objects),$(O)/virt)

# libvirtd runs them, and its AppArmor profile allows it no program of libexec.
sbin_programs = $(if $(numad_objects),$(O)/numaplace-numad) $(if $(libvirt_hook_objects),$(O)/numaplace-libvirt-hook)

unit_sources = $(wildcard tests/unit/*.c)
unit_programs = $(patsubst %.c,$(O)/%,$(unit_sources))
unit_of = $(patsubst %.c,$(O)/%,$(wildcard $(addprefix tests/unit/,$(1))))

bench_objects = $(call objects,bench/select/*.c)

man_pages = $(wildcard man/*.[1358])
units = $(patsubst %.in,%,$(notdir $(wildcard contrib/systemd/*.timer contrib/systemd/*.service.in)))
# Examples of drop-ins, which an administrator copies.
drop_ins = $(patsubst %.in,%,$(notdir $(wildcard contrib/systemd/*.conf.in)))
# Not in a folder that engines read by default: an administrator configures these folders.
more_hooks_d = $(patsubst runtime-hooks/oci/%.in,%,$(wildcard runtime-hooks/oci/hooks.d-*/*.json.in))
hooks_d = $(patsubst %.in,%,$(notdir $(wildcard runtime-hooks/oci/hooks.d/*.json.in)))

# What can be built without a library is: the last expansion is when a rule is used, so that reading this file still
# asks nothing.
lxc_hook = $(if $(call has,lxc),$(filter %/lxc-hook,$(libexec_programs)))
nri_plugin = $(if $(call has,libprotobuf-c),$(if $(call once,protoc-c,command -v protoc-c),$(filter %/numaplace-nri,$(libexec_programs))))
kube_program = $(if $(call has,libcurl),$(filter %/numaplace-kube,$(libexec_programs)))
virt_program = $(if $(call has,libxml-2.0),$(filter %/virt,$(libexec_programs)))
libexec_found = $(filter-out %/lxc-hook %/numaplace-nri %/numaplace-kube %/virt,$(libexec_programs)) $(lxc_hook) $(nri_plugin) $(kube_program) \
	$(virt_program)
libvirt_hook = $(if $(call has,libxml-2.0),$(filter %/numaplace-libvirt-hook,$(sbin_programs)))
sbin_found = $(filter-out %/numaplace-libvirt-hook,$(sbin_programs)) $(libvirt_hook)
without_libvirt = $(if $(libvirt_hook),,numaplace-libvirt-hook and the verb virt are left out: libxml2 is not installed (make deps))
without_lxc = $(if $(call has,lxc),$(if $(call has,yaml-0.1),,lxc-hook is built without Incus and LXD: libyaml is not \
	installed (make deps)),lxc-hook is left out: liblxc is not installed (make deps))
without_nri = $(if $(nri_plugin),,numaplace-nri is left out: libprotobuf-c or protoc-c is not installed (make deps))
without_kube = $(if $(kube_program),,numaplace-kube is left out: libcurl is not installed (make deps))

.SECONDEXPANSION:
.PHONY: all left-out
all: $(bin_programs) $$(libexec_found) $$(sbin_found) $(library) left-out
left-out:
	@$(if $(without_lxc),echo >&2 'numaplace: $(without_lxc)',:)
	@$(if $(without_nri),echo >&2 'numaplace: $(without_nri)',:)
	@$(if $(without_kube),echo >&2 'numaplace: $(without_kube)',:)
	@$(if $(without_libvirt),echo >&2 'numaplace: $(without_libvirt)',:)

# The one file of each room that uses a library.
$(O)/cgroup/libcgroup.o: cc_pkgs = libcgroup
$(O)/cgroup/numa.o: cc_pkgs = numa
$(O)/runtime-hooks/common/json.o $(O)/runtime-hooks/common/json-write.o: cc_pkgs = yajl
$(O)/runtime-hooks/lxc/lxc-config.o: cc_pkgs = lxc
$(O)/runtime-hooks/incus/yaml.o: cc_pkgs = yaml-0.1
$(O)/runtime-hooks/libvirt/xml.o $(O)/runtime-hooks/libvirt/xml-tree.o: cc_pkgs = libxml-2.0
$(O)/runtime-hooks/kube/https.o: cc_pkgs = libcurl
nri_protobuf_users = $(call made_objects,runtime-hooks/nri/nri-message.c runtime-hooks/nri/nri.pb-c.c \
	tests/unit/nri-message-test.c tests/unit/nri-session-test.c tests/hooks/made-containerd.c \
	tests/hooks/nri-drive.c)
$(nri_protobuf_users): cc_pkgs = libprotobuf-c
$(nri_protobuf_users): cc_defines = -I$(O)
$(nri_protobuf_users): $(O)/runtime-hooks/nri/nri.pb-c.h
define_version = -DNUMAPLACE_VERSION='"$(VERSION)"'
$(O)/cli/main.o: cc_defines = $(define_version)
$(O)/pic/cgroup/numa.o: cc_pkgs = numa
$(O)/lib/context.o $(O)/pic/lib/context.o $(O)/tests/unit/api-test.o: cc_defines = $(define_version)

# Checked before all objects, so that a 32-bit compiler gives one error and not one for each file.
$(O)/64-bit:
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) -dM -E -x c /dev/null > $@.new
	@grep -q __LP64__ $@.new || { rm $@.new; \
		echo >&2 'numaplace needs a 64-bit machine: amd64, arm64, ppc64el, riscv64 or s390x'; exit 1; }
	@mv $@.new $@

$(O)/%.o: %.c | $(O)/64-bit
	$(call need-pkgs,$(cc_pkgs))
	@mkdir -p $(@D)
	$(CC) -MMD -MP $(cc_defines) $(call pkg-cflags,$(cc_pkgs)) $(all_cflags) -c $< -o $@

# protoc-c writes the source and its header.
$(O)/runtime-hooks/nri/nri.pb-c.h: runtime-hooks/nri/nri.proto
	$(call need-pkgs,libprotobuf-c)
	@mkdir -p $(@D)
	protoc-c --c_out=$(O) $<
$(O)/runtime-hooks/nri/nri.pb-c.o: $(O)/runtime-hooks/nri/nri.pb-c.h | $(O)/64-bit
	$(CC) $(cc_defines) $(call pkg-cflags,$(cc_pkgs)) $(all_cflags) -c $(<:.h=.c) -o $@

$(O)/pic/%.o: %.c | $(O)/64-bit
	$(call need-pkgs,$(cc_pkgs))
	@mkdir -p $(@D)
	$(CC) -MMD -MP -DNUMAPLACE_LIBRARY $(cc_defines) $(call pkg-cflags,$(cc_pkgs)) $(all_cflags) -fPIC \
		-fvisibility=hidden -c $< -o $@

$(O)/libbase.a: $(call objects,plugin/base/*.c)
$(O)/libmachine.a: $(call objects,plugin/machine/*.c)
$(O)/libselect.a: $(call objects,plugin/select/*.c)
$(O)/libledger.a: $(call objects,plugin/ledger/*.c)
$(O)/libcgrouproom.a: $(call objects,cgroup/*.c)
$(O)/libplace.a: $(call objects,place/*.c)
$(O)/libfront.a: $(call objects,lib/*.c)
$(O)/libcommon.a: $(call objects,runtime-hooks/common/*.c)
$(O)/libkube.a: $(filter-out $(kube_objects),$(call objects,runtime-hooks/kube/*.c))
# Not libcgroup.c, whose library keeps its state in variables of the whole process.
$(library_rooms): $(patsubst %.c,$(O)/pic/%.o,$(filter-out cgroup/libcgroup.c,\
	$(wildcard plugin/*/*.c cgroup/*.c place/*.c)))
%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

# A shared library with -z defs has no undefined symbols; a sanitizer's are in the program.
$(O)/libnumaplace.so.$(VERSION): $(library_objects) $(library_rooms) lib/libnumaplace.sym
	$(call need-pkgs,numa)
	$(CC) -shared -Wl,-soname,$(soname) -Wl,--version-script=lib/libnumaplace.sym \
		$(if $(findstring -fsanitize,$(CFLAGS) $(LDFLAGS)),,-Wl,-z,defs) -Wl,-z,relro,-z,now -Wl,--as-needed \
		$(CFLAGS) $(LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) $(call pkg-libs,numa) $(LDLIBS) -o $@
	ln -sf $(@F) $(O)/$(soname)
	ln -sf $(soname) $(O)/libnumaplace.so

$(O)/numaplace $(O)/image/numaplace: $(cli_objects) $(incus_api_parts) $(kube_room)
$(O)/numaplace $(O)/image/numaplace: link_pkgs = libcgroup numa yajl
$(O)/oci-hook: $(oci_hook_objects) $(plan_parts) $(oci_parts) $(common)
$(O)/oci-hook: link_static = $(static_pie)
# For valgrind, which replaces the memory functions of a shared libc.
$(O)/dynamic/oci-hook: $(oci_hook_objects) $(plan_parts) $(oci_parts) $(common)
$(O)/oci-hook $(O)/dynamic/oci-hook: link_pkgs = yajl
$(O)/criu-hook: $(criu_hook_objects) $(oci_parts) $(common)
$(O)/criu-hook: link_pkgs = yajl
$(O)/lxc-hook: $(lxc_hook_objects) $(lxc_parts) $$(lxc_incus_parts) $(common)
$(O)/lxc-hook: link_pkgs = lxc $(if $(call has,yaml-0.1),yaml-0.1)
$(O)/service-hook: $(service_hook_objects) $(common)
$(O)/service-hook: link_pkgs = yajl
$(O)/incus-agent: $(incus_agent_objects) $(incus_api_parts) $(common)
$(O)/incus-agent: link_pkgs = libcgroup numa yajl
# The static ones are for a container image without a system (contrib/kubernetes).
image_programs = $(addprefix $(O)/image/,numaplace-nri numaplace)
$(O)/numaplace-nri $(O)/image/numaplace-nri: $(nri_objects) $(nri_parts) $(common)
$(O)/numaplace-nri $(O)/image/numaplace-nri: link_pkgs = libprotobuf-c yajl
$(image_programs): link_static = -static-pie -s
$(O)/numaplace-kube: $(kube_objects) $(kube_room)
$(O)/numaplace-kube: link_pkgs = libcurl libcgroup numa yajl
$(O)/numaplace-libvirt-hook: $(libvirt_hook_objects) $(libvirt_parts) $(common)
$(O)/numaplace-libvirt-hook: link_pkgs = libxml-2.0
$(O)/virt: $(virt_objects) $(libvirt_parts) $(common)
$(O)/virt: link_pkgs = libxml-2.0 yajl
$(O)/numaplace-numad: $(numad_objects) $(common)
$(O)/numaplace-runtime: $(wrapper_objects) $(plan_parts) $(oci_parts) $(common)
$(O)/numaplace-runtime: link_pkgs = libcgroup numa yajl

# A unit test links its own room and those below, so that the linker detects a dependency in the wrong direction.
$(unit_programs): $(O)/%: $(O)/%.o
$(call unit_of,oci-*.c spec-*.c runtime-*.c): $(oci_parts) $(common)
$(call unit_of,oci-*.c spec-*.c runtime-*.c): link_pkgs = yajl
$(call unit_of,lxc-*.c): $(lxc_parts) $(place)
$(call unit_of,incus-*.c): $(sort $(incus_parts) $(incus_api_parts)) $(common)
$(call unit_of,incus-*.c): link_pkgs = libcgroup numa yajl yaml-0.1
$(call unit_of,libvirt-*.c): $(libvirt_parts) $(common)
$(call unit_of,libvirt-*.c): link_pkgs = libxml-2.0
$(call unit_of,kube-*.c): $(kube_room)
$(call unit_of,kube-*.c): link_pkgs = libcgroup numa yajl
$(call unit_of,nri-*.c): $(nri_parts) $(common)
$(call unit_of,nri-*.c): link_pkgs = libprotobuf-c yajl
# What a user of the library links, but for the symbol file: a test finds each of its functions.
$(call unit_of,api-*.c): $(library_objects) $(library_rooms)
$(call unit_of,api-*.c): link_pkgs = numa
$(call unit_of,place-*.c): $(place)
$(call unit_of,cgroup-*.c): $(cgroup)
$(call unit_of,place-*.c cgroup-*.c): link_pkgs = libcgroup numa
$(call unit_of,ledger-*.c): $(ledger)
$(call unit_of,select-*.c): $(select)
$(call unit_of,machine-*.c): $(machine)
$(call unit_of,base-*.c): $(base)
$(call unit_of,common-*.c): $(common)
$(call unit_of,common-*.c): link_pkgs = yajl

$(O)/bench-select: $(bench_objects) $(place)
$(O)/bench-select: LDLIBS += -lm

.SECONDARY:
-include $(wildcard $(O)/*/*.d $(O)/*/*/*.d $(O)/*/*/*/*.d)

# --- install -----------------------------------------------------------------

# The other functions that a page of man/*.3 names, as PAGE/FUNCTION: each is a page that refers to it.
list_aliases = awk -F'[ ,]+' '/^[.]Nm/ && !seen[FILENAME $$2]++ && FILENAME != "man/" $$2 ".3" \
	{ print substr(FILENAME, 5, length(FILENAME) - 6) "/" $$2 }' man/*.3
man_aliases = $(call once,aliases,$(list_aliases))
man_target = $(DESTDIR)$(mandir)/man$(patsubst .%,%,$(suffix $(1)))/$(notdir $(1))
conf_target = $(DESTDIR)$(sysconfdir)/numaplace/numaplace.conf

# An existing numaplace.conf is never overwritten.
.PHONY: install
install: libexec = $(DESTDIR)$(libexecdir)/numaplace
install: all
	$(foreach p,$(bin_programs),$(INSTALL) -D -m 755 $(p) '$(DESTDIR)$(bindir)/$(notdir $(p))' &&) :
	$(foreach p,$(libexec_found),$(INSTALL) -D -m 755 $(p) '$(libexec)/$(notdir $(p))' &&) :
	$(foreach p,$(sbin_found),$(INSTALL) -D -m 755 $(p) '$(DESTDIR)$(sbindir)/$(notdir $(p))' &&) :
	$(if $(library),$(INSTALL) -D -m 644 $(library) '$(DESTDIR)$(libdir)/$(notdir $(library))' && \
		ln -sf $(notdir $(library)) '$(DESTDIR)$(libdir)/$(soname)' && \
		ln -sf $(soname) '$(DESTDIR)$(libdir)/libnumaplace.so' && \
		$(INSTALL) -D -m 644 include/numaplace.h '$(DESTDIR)$(includedir)/numaplace.h' && \
		sed 's|@prefix@|$(prefix)|g; s|@libdir@|$(libdir)|g; s|@includedir@|$(includedir)|g; s|@version@|$(VERSION)|g' \
			lib/numaplace.pc.in > '$(O)/numaplace.pc' && \
		$(INSTALL) -D -m 644 '$(O)/numaplace.pc' '$(DESTDIR)$(pkgconfigdir)/numaplace.pc')
	$(foreach p,$(man_pages),$(INSTALL) -D -m 644 $(p) '$(call man_target,$(p))' &&) :
	@for a in $(man_aliases); do echo ".so man3/$${a%/*}.3" > '$(DESTDIR)$(mandir)/man3/'"$${a#*/}.3" || exit 1; done
	@$(INSTALL) -d '$(DESTDIR)$(hooksdir)'
	@for f in $(hooks_d); do \
		sed 's|@libexecdir@|$(libexecdir)|g' "runtime-hooks/oci/hooks.d/$$f.in" > "$(O)/$$f" && \
		$(INSTALL) -m 644 "$(O)/$$f" '$(DESTDIR)$(hooksdir)/'"$$f" || exit 1; done
	@for f in $(more_hooks_d); do \
		sed 's|@libexecdir@|$(libexecdir)|g' "runtime-hooks/oci/$$f.in" > "$(O)/hook.json" && \
		$(INSTALL) -D -m 644 "$(O)/hook.json" '$(DESTDIR)$(datadir)/numaplace/'"$$f" || exit 1; done
	@sed 's|@datadir@|$(datadir)|g' runtime-hooks/oci/podman/50-numaplace.conf.in > "$(O)/podman.conf"
	$(INSTALL) -D -m 644 "$(O)/podman.conf" '$(DESTDIR)$(datadir)/numaplace/podman/50-numaplace.conf'
	@sed 's|@libexecdir@|$(libexecdir)|g' contrib/cdi/numaplace.yaml.in > "$(O)/cdi.yaml"
	$(INSTALL) -D -m 644 "$(O)/cdi.yaml" '$(DESTDIR)$(datadir)/numaplace/cdi/numaplace.yaml'
	@for f in $(if $(lxc_hook),lxc/config/numaplace.conf numaplace/lxc/50-numaplace.conf); do \
		sed 's|@libexecdir@|$(libexecdir)|g; s|@datadir@|$(datadir)|g' \
			"runtime-hooks/lxc/$${f##*/}.in" > "$(O)/$${f##*/}" && \
		$(INSTALL) -D -m 644 "$(O)/$${f##*/}" '$(DESTDIR)$(datadir)/'"$$f" || exit 1; done
	$(INSTALL) -D -m 644 contrib/bash-completion/numaplace '$(DESTDIR)$(completionsdir)/numaplace'
	$(INSTALL) -D -m 644 contrib/zsh-completion/_numaplace '$(DESTDIR)$(zshdir)/_numaplace'
	$(INSTALL) -D -m 644 contrib/fish-completion/numaplace.fish '$(DESTDIR)$(fishdir)/numaplace.fish'
	$(INSTALL) -D -m 644 contrib/systemd/numaplace.tmpfiles '$(DESTDIR)$(tmpfilesdir)/numaplace.conf'
	@for f in $(if $(nri_plugin),$(units),$(filter-out numaplace-nri.service,$(units))); do \
		g="contrib/systemd/$$f"; [ -e "$$g" ] || g="$$g.in"; \
		sed 's|@bindir@|$(bindir)|g; s|@libexecdir@|$(libexecdir)|g' "$$g" > "$(O)/$$f" && \
		$(INSTALL) -D -m 644 "$(O)/$$f" '$(DESTDIR)$(unitdir)/'"$$f" || exit 1; done
	@for f in criu.conf install; do \
		case $$f in install) mode=755 ;; *) mode=644 ;; esac; \
		sed 's|/usr/libexec/|$(libexecdir)/|g' "contrib/criu/$$f" > "$(O)/$$f" && \
		$(INSTALL) -D -m $$mode "$(O)/$$f" '$(DESTDIR)$(datadir)/numaplace/criu/'"$$f" || exit 1; done
	@for f in $(drop_ins); do \
		sed 's|@libexecdir@|$(libexecdir)|g' "contrib/systemd/$$f.in" > "$(O)/$$f" && \
		$(INSTALL) -D -m 644 "$(O)/$$f" '$(DESTDIR)$(datadir)/numaplace/systemd/'"$$f" || exit 1; done
	@for f in $(if $(incus_agent_objects),$(notdir $(wildcard contrib/incus/*))); do \
		case $$f in *.service) to='$(DESTDIR)$(unitdir)' ;; *) to='$(DESTDIR)$(datadir)/numaplace/incus' ;; esac; \
		case $$f in install) mode=755 ;; *) mode=644 ;; esac; \
		sed 's|/usr/libexec/|$(libexecdir)/|g; s|/usr/lib/systemd/system|$(unitdir)|g' "contrib/incus/$$f" > "$(O)/$$f" && \
		$(INSTALL) -D -m $$mode "$(O)/$$f" "$$to/$$f" || exit 1; done
	@if [ -e '$(conf_target)' ] && ! cmp -s conf/numaplace.conf '$(conf_target)'; then \
		echo 'kept as it is: $(conf_target)'; \
	else $(INSTALL) -D -m 644 conf/numaplace.conf '$(conf_target)'; fi
	@case '$(DESTDIR)$(hooksdir)' in ?*/usr/share/containers/oci/hooks.d|/usr/share/containers/oci/hooks.d) ;; \
	*) echo 'podman and CRI-O look for hooks in /usr/share/containers/oci/hooks.d, not in $(hooksdir):' \
		'install with prefix=/usr, or tell them (hooks_dir)' ;; esac

# The two places where libvirt looks. Not a part of `install`, because numad may be another program there.
.PHONY: install-libvirt
install-libvirt: install
	@for f in '$(DESTDIR)/usr/bin/numad' '$(DESTDIR)$(sysconfdir)/libvirt/hooks/qemu.d/numaplace'; do \
		if [ -e "$$f" ] && ! [ -L "$$f" ]; then echo >&2 "$$f: is another program"; exit 1; fi; done
	@mkdir -p '$(DESTDIR)/usr/bin' '$(DESTDIR)$(sysconfdir)/libvirt/hooks/qemu.d'
	ln -sfn '$(sbindir)/numaplace-numad' '$(DESTDIR)/usr/bin/numad'
	$(if $(libvirt_hook),ln -sfn '$(sbindir)/numaplace-libvirt-hook' \
		'$(DESTDIR)$(sysconfdir)/libvirt/hooks/qemu.d/numaplace')

.PHONY: uninstall
uninstall:
	@for f in '$(DESTDIR)/usr/bin/numad' '$(DESTDIR)$(sysconfdir)/libvirt/hooks/qemu.d/numaplace'; do \
		case $$(readlink "$$f") in '$(sbindir)'/numaplace-*) rm -f "$$f" ;; esac; done
	rm -f $(foreach p,numaplace-numad numaplace-libvirt-hook,'$(DESTDIR)$(sbindir)/$(p)')
	rm -f $(foreach p,numaplace numaplace-runtime,'$(DESTDIR)$(bindir)/$(p)')
	rm -f $(foreach p,oci-hook criu-hook lxc-hook service-hook incus-agent numaplace-nri numaplace-kube virt,'$(DESTDIR)$(libexecdir)/numaplace/$(p)')
	rm -f $(foreach f,libnumaplace.so libnumaplace.so.*,'$(DESTDIR)$(libdir)/'$(f)) \
		'$(DESTDIR)$(includedir)/numaplace.h' '$(DESTDIR)$(pkgconfigdir)/numaplace.pc'
	rm -f $(foreach a,$(man_aliases),'$(DESTDIR)$(mandir)/man3/$(notdir $(a)).3')
	rm -f $(foreach p,$(man_pages),'$(call man_target,$(p))') $(foreach f,$(hooks_d),'$(DESTDIR)$(hooksdir)/$(f)')
	rm -f '$(DESTDIR)$(completionsdir)/numaplace' '$(DESTDIR)$(zshdir)/_numaplace' \
		'$(DESTDIR)$(fishdir)/numaplace.fish' '$(DESTDIR)$(tmpfilesdir)/numaplace.conf' \
		$(foreach f,$(units),'$(DESTDIR)$(unitdir)/$(f)')
	rm -f $(foreach f,lxc/config/numaplace.conf numaplace/lxc/50-numaplace.conf,'$(DESTDIR)$(datadir)/$(f)')
	rm -rf '$(DESTDIR)$(datadir)/numaplace/criu' '$(DESTDIR)$(datadir)/numaplace/incus' '$(DESTDIR)$(datadir)/numaplace/podman' '$(DESTDIR)$(datadir)/numaplace/cdi' '$(DESTDIR)$(datadir)/numaplace/systemd' $(foreach f,$(sort $(dir $(more_hooks_d))),'$(DESTDIR)$(datadir)/numaplace/$(f)')
	rm -f '$(DESTDIR)$(unitdir)/numaplace-incus-agent.service'
	@rmdir '$(DESTDIR)$(libexecdir)/numaplace' '$(DESTDIR)$(datadir)/numaplace/lxc' \
		'$(DESTDIR)$(datadir)/numaplace' 2>/dev/null || :
	@if cmp -s conf/numaplace.conf '$(conf_target)'; then \
		rm -f '$(conf_target)'; rmdir '$(DESTDIR)$(sysconfdir)/numaplace' 2>/dev/null || :; \
	elif [ -e '$(conf_target)' ]; then echo 'changed, so kept: $(conf_target)'; fi

# --- tests -------------------------------------------------------------------

run_tiers = tests/run -b $(abspath $(O))
# Uses all CPUs and prints no line for each file; your own -j overrides this.
parallel = -s $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# Beside the programs themselves.
hook_test_programs = $(O)/dynamic/oci-hook $(addprefix $(O)/bench-hook/,oci-hook lxc-hook numaplace-nri numaplace-runtime numaplace-numad \
	numaplace-libvirt-hook stage drive) \
	$(O)/at-each-call $(O)/made-containerd $(O)/made-apiserver $(O)/nri-drive

.PHONY: test check test-lint test-package test-corpus test-unit test-machines test-hooks test-cross test-san test-fuzz test-vm \
	unit-programs
# No guest, no root, nothing installed: what to run before each commit.
check:
	@$(MAKE) --no-print-directory $(parallel) all unit-programs
	@$(run_tiers) unit+machines+hooks

# One group of tiers at a time: those of a group keep all CPUs busy, and the last ones are given them alone.
test:
	@tests/packages build test || echo 'going on without' >&2
	@$(MAKE) --no-print-directory $(parallel) all unit-programs
	@$(MAKE) --no-print-directory $(parallel) san-build fuzz-build fuzz-afl-build || echo 'going on without' >&2
	@$(run_tiers) lint+package+corpus+machines+unit+hooks+prepare cross+san fuzz vm

unit-programs: $(unit_programs) $(O)/bench-select $(hook_test_programs)
test-lint:
	@$(run_tiers) lint
test-package: all
	@$(run_tiers) package
# Fetches the source of hwloc, for the machines in it; NUMAPLACE_CORPUS=DIR keeps it.
test-corpus: all
	@$(run_tiers) corpus
test-unit: unit-programs
	@$(run_tiers) unit
test-machines: all $(O)/bench-select
	@$(run_tiers) machines
test-hooks: all $(hook_test_programs)
	@$(run_tiers) hooks
test-cross: all $(O)/bench-hook/stage
	@$(run_tiers) cross
test-san: san-build
	@$(run_tiers) san
test-fuzz: fuzz-build fuzz-afl-build
	@$(run_tiers) fuzz
test-vm:
	@$(run_tiers) vm

# Not a part of `make test`: a real kube-apiserver, which is built from Debian 12's source (see tests/kube/build-apiserver), and etcd.
.PHONY: test-kube
test-kube: all
	@NUMAPLACE_BUILD=$(abspath $(O)) tests/kube/run

# HOST=1: on this machine itself, which needs several nodes and cgroup v2.
.PHONY: demo
demo:
	@tests/packages $(if $(HOST),build,guest)
	@$(if $(HOST),$(MAKE) --no-print-directory all)
	@NUMAPLACE_BUILD=$(abspath $(O)) tests/demo/run

# What contrib/kubernetes/Dockerfile copies, and that file.
.PHONY: image
image: $(image_programs) $(O)/numaplace-kube
	cp contrib/kubernetes/Dockerfile $(O)/image/
	rm -rf $(O)/image/kube
	mkdir $(O)/image/kube
	$(INSTALL) -s -m 755 $(O)/numaplace-kube $(O)/image/kube/
	ldd $(O)/numaplace-kube | sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p' | xargs cp -L --parents -t $(O)/image/kube

# BENCH='--quick --rows ...': options of the first, HOOK_BENCH of the second, VM_BENCH of the third, MOVE_BENCH of the fourth,
# LOCALITY_BENCH of the fifth.
.PHONY: bench bench-select bench-hook bench-nri bench-vm bench-move bench-locality hook-bench-programs
bench: bench-select bench-hook bench-nri bench-vm bench-move bench-locality
bench-select: $(O)/bench-select
	@$(O)/bench-select $(BENCH)
bench-hook: hook-bench-programs
	@BUILD=$(abspath $(O)/bench-hook) bench/hook/run $(HOOK_BENCH)
# NRI_BENCH='--runs 5000'
bench-nri: $(O)/bench-hook/numaplace-nri $(O)/bench-hook/stage $(O)/nri-drive
	@BUILD=$(abspath $(O)/bench-hook) bench/nri/run $(NRI_BENCH)
bench-vm: hook-bench-programs
	@BUILD=$(abspath $(O)/bench-hook) bench/vm/run $(VM_BENCH)

# MOVE_BENCH='--runs 5 --sizes 400 --kinds thp': moves of every kind of page, each beside one migrate_pages(), in a guest.
bench-move:
	@bench/move/run $(MOVE_BENCH)

# LOCALITY_BENCH='--scenarios "NAME..." --ways "WAY..."': containers in a guest whose QEMU counts the node of each access,
# placed in several ways; fails where numaplace is worse than pins by hand.
bench-locality: $(O)/bench-locality/kubelet
	@BUILD=$(abspath $(O)/bench-locality) bench/locality/run $(LOCALITY_BENCH)

# The kubelet's rule of bench/select as a program that runs in the guest.
$(O)/bench-locality/kubelet: $(O)/bench/locality/kubelet.o $(filter-out %/bench.o,$(bench_objects)) $(place)
$(O)/bench-locality/kubelet: link_static = -static-pie
$(O)/bench-locality/kubelet: LDLIBS += -lm

# The hook with its files at other paths, linked statically and dynamically; and the no-ops that it is compared with.
hook_tools = $(addprefix $(O)/bench-hook/,drive stage libcgroup)
hook_noops = $(addprefix $(O)/bench-hook/noop-,static plain dynamic libcgroup)
hook_wrapped = $(addprefix $(O)/bench-hook/oci-hook,-dynamic -phases) $(O)/bench-hook/oci-hook
hook_bench_programs = $(hook_tools) $(hook_noops) $(hook_wrapped)
hook-bench-programs: $(hook_bench_programs)

$(hook_tools): $(O)/bench-hook/%: $(O)/bench/hook/%.o
$(O)/bench-hook/stage: $(place)
$(O)/bench/hook/libcgroup.o: cc_pkgs = libcgroup
$(O)/bench-hook/libcgroup: link_pkgs = libcgroup
$(O)/bench-hook/drive: link_static = $(static_pie)
$(O)/bench-hook/noop-static: link_static = -static-pie
$(hook_noops): $(O)/bench/hook/noop.o
$(O)/bench-hook/noop-dynamic: link_libs = -Wl,--no-as-needed $(call pkg-libs,yajl)
$(O)/bench-hook/noop-libcgroup: link_libs = -Wl,--no-as-needed $(call pkg-libs,libcgroup yajl)
$(hook_wrapped): $(call objects,bench/hook/wrap.c) $(oci_hook_objects) $(plan_parts) $(oci_parts) $(common)
$(O)/bench-hook/oci-hook $(O)/bench-hook/oci-hook-phases: link_static = $(static_pie)
$(O)/bench-hook/oci-hook-phases: $(call objects,bench/hook/phases.c)
# Wraps every function that has a __wrap_ in these objects.
wrapped_functions = $(shell nm $(filter $(O)/bench/hook/%.o,$^) | sed -n 's/.* T __wrap_//p')
wrap_options = $(addprefix -Wl$(comma)--wrap=,$(wrapped_functions))
$(hook_wrapped): link_libs = $(call pkg-libs,yajl) $(wrap_options)
comma := ,
# Not for measurements, but for the crash tests.
$(O)/bench-hook/lxc-hook: $(call objects,bench/hook/wrap.c) $(lxc_hook_objects) $(lxc_parts) $(incus_parts) \
	$(common)
$(O)/bench-hook/lxc-hook: link_libs = $(call pkg-libs,lxc yaml-0.1) $(wrap_options)
# Not for measurements, but for the tests of what it writes into a spec.
$(O)/bench-hook/numaplace-runtime: $(call objects,bench/hook/wrap.c) $(wrapper_objects) $(plan_parts) $(oci_parts) $(common)
$(O)/bench-hook/numaplace-runtime: link_libs = $(call pkg-libs,libcgroup numa yajl) $(wrap_options)
$(O)/at-each-call: $(O)/tests/tools/at-each-call.o
$(O)/bench-hook/numaplace-nri: $(call objects,bench/hook/wrap.c) $(nri_objects) $(nri_parts) $(common)
$(O)/bench-hook/numaplace-nri: link_libs = $(call pkg-libs,libprotobuf-c yajl) $(wrap_options)
$(O)/bench-hook/numaplace-libvirt-hook: $(call objects,bench/hook/wrap.c) $(libvirt_hook_objects) $(libvirt_parts) $(common)
$(O)/bench-hook/numaplace-libvirt-hook: link_libs = $(call pkg-libs,libxml-2.0) $(wrap_options)
$(O)/bench-hook/numaplace-numad: $(call objects,bench/hook/wrap.c) $(numad_objects) $(common)
$(O)/bench-hook/numaplace-numad: link_libs = $(wrap_options)
$(O)/nri-drive: $(O)/tests/hooks/nri-drive.o $(nri_wire) $(base)
$(O)/nri-drive: link_pkgs = libprotobuf-c
$(O)/made-containerd: $(O)/tests/hooks/made-containerd.o $(nri_wire) $(O)/libkube.a $(common)
$(O)/made-containerd: link_pkgs = libprotobuf-c yajl
$(O)/tests/hooks/made-apiserver.o: cc_pkgs = openssl
$(O)/made-apiserver: $(O)/tests/hooks/made-apiserver.o $(kube_room)
$(O)/made-apiserver: link_pkgs = openssl yajl

# --- linking -----------------------------------------------------------------

linked_programs = $(image_programs) $(bin_programs) $(libexec_programs) $(sbin_programs) $(unit_programs) $(O)/dynamic/oci-hook $(O)/bench-select \
	$(hook_bench_programs) $(addprefix $(O)/bench-hook/,lxc-hook numaplace-nri numaplace-runtime numaplace-numad \
	numaplace-libvirt-hook) $(O)/at-each-call $(O)/made-containerd $(O)/made-apiserver $(O)/nri-drive \
	$(O)/bench-locality/kubelet
link_libs = $(call pkg-libs,$(link_pkgs))
$(linked_programs):
	$(call need-pkgs,$(link_pkgs))
	@mkdir -p $(@D)
	$(CC) $(all_ldflags) $(filter %.o,$^) $(filter %.a,$^) \
		$(if $(link_static),$(patsubst -lyajl,-l:libyajl_s.a,$(link_libs)),$(link_libs)) $(LDLIBS) -o $@

# --- fuzzing -----------------------------------------------------------------

# A harness is a file in tests/fuzz/; clang builds it and all linked objects with sanitizers in $(O)/fuzz.
fuzz_parsers = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
fuzz_programs = $(fuzz_parsers:%=$(O)/tests/fuzz/%)
fuzz_of = $(1:%=$(O)/tests/fuzz/%)
sanitize = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
no_fortify = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0

$(fuzz_programs): $(O)/%: $(O)/%.o
$(call fuzz_of,state config spec-edit command): $(oci_parts)
$(call fuzz_of,state config spec-edit command): link_pkgs = yajl
$(call fuzz_of,lxc): $(lxc_parts)
$(call fuzz_of,incus): $(call objects,$(addprefix runtime-hooks/incus/,incus-config.c incus-devices.c incus-backup.c yaml.c))
$(call fuzz_of,incus): link_pkgs = yaml-0.1
$(call fuzz_of,domain): $(libvirt_parts)
$(call fuzz_of,domain): link_pkgs = libxml-2.0
$(call fuzz_of,kube): $(O)/libkube.a $(O)/libcommon.a $(front)
$(call fuzz_of,kube): link_pkgs = yajl
$(call fuzz_of,nri): $(nri_wire)
$(call fuzz_of,nri): link_pkgs = libprotobuf-c
$(call fuzz_of,kernel): link_pkgs = libcgroup numa
$(call fuzz_of,name): $(call objects,cli/table.c cli/term.c cli/svg-text.c)
$(call fuzz_of,name): link_pkgs = yajl
$(call fuzz_of,simulate): $(call objects,cli/cli.c cli/engine.c cli/state.c) $(O)/libfront.a
$(call fuzz_of,simulate): link_pkgs = libcgroup numa yajl
$(fuzz_programs): $(common)
$(fuzz_programs):
	$(call need-pkgs,$(link_pkgs))
	@mkdir -p $(@D)
	$(CC) $(all_ldflags) $(filter %.o,$^) $(filter %.a,$^) $(call pkg-libs,$(link_pkgs)) $(LDLIBS) -o $@

.PHONY: fuzz fuzz-afl fuzz-afl-build fuzz-programs fuzz-build
fuzz-programs: $(fuzz_programs)
fuzz-build:
	@$(MAKE) --no-print-directory O=$(O)/fuzz CC=clang CPPFLAGS='$(no_fortify)' \
		CFLAGS='$(sanitize) -fsanitize=fuzzer-no-link' LDLIBS=-fsanitize=fuzzer fuzz-programs

# RUNS=N: runs of each harness; PARSERS='state conf': only these; SEED=N: repeats the runs of that seed.
fuzz: fuzz-build
	@RUNS=$(RUNS) SEED=$(SEED) tests/fuzz/run -b $(abspath $(O)) $(PARSERS)

# The same harnesses with AFL++ (package afl++): SECONDS=N for each of PARSERS.
fuzz-afl: SECONDS = 60
fuzz-afl: fuzz-afl-build
	@SECONDS_EACH=$(SECONDS) tests/fuzz/afl -b $(abspath $(O)) $(PARSERS)
fuzz-afl-build:
	@$(MAKE) --no-print-directory O=$(O)/afl CC=afl-clang-fast CPPFLAGS='$(no_fortify)' \
		CFLAGS='-O1 -g -fsanitize=address,undefined' LDLIBS=-fsanitize=fuzzer \
		fuzz_parsers='$(or $(PARSERS),state idset)' fuzz-programs

# --- sanitizers and analyzers ------------------------------------------------

.PHONY: san-build analyze
san-build:
	@$(MAKE) --no-print-directory O=$(O)/san CPPFLAGS='$(no_fortify)' CFLAGS='$(sanitize)' all unit-programs

# Compiles only for the warnings.  Disabled ones: gcc 12 does not know that a cleanup attribute frees memory, nor that a
# function that returns 0 has set its outputs. It reports forty places; those that were checked are correct.
analyzer = -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-use-of-uninitialized-value \
	-Wno-analyzer-null-dereference -Wno-analyzer-null-argument
analyze:
	@$(MAKE) --no-print-directory O=$(O)/analyze CFLAGS='-O1 -g -Werror $(analyzer)' all

# --- the rest ----------------------------------------------------------------

.PHONY: deps
deps:
	@tests/packages build test

.PHONY: clean
clean:
	rm -rf $(O)

.PHONY: help
help:
	@echo 'make                  build into build/ (O=DIR: into DIR)'
	@echo 'make deps             install what building and testing need (Debian 12 or 13, as root)'
	@echo 'make image            the static programs and the Dockerfile of an image for Kubernetes, in build/image'
	@echo 'make install          prefix=/usr sysconfdir=/etc DESTDIR= as usual; make uninstall takes it away'
	@echo 'make install-libvirt  the same, and the two links by which libvirt finds numad and the hook'
	@echo 'make check            unit, machines and hooks: a minute and a half, without root and without guests'
	@echo 'make test             every tier; STRICT=1 takes a skipped test for a failed one'
	@echo 'make test-unit        one tier; so are test-lint, -machines, -hooks, -package, -corpus, -cross, -san, -fuzz and -vm'
	@echo 'make test-kube        numaplace-kube with etcd and a kube-apiserver 1.20.2, which is built; not a part of make test'
	@echo 'make fuzz             RUNS=N PARSERS=... SEED=N|random: libFuzzer on the parsers; make fuzz-afl: AFL++'
	@echo 'make analyze          gcc -fanalyzer'
	@echo 'make demo             six containers on a virtual 4-node machine (HOST=1: on this one)'
	@echo 'make bench            how good decisions are (bench-select), what a hook costs (bench-hook, as root),'
	@echo '                      container starts with it in a guest (bench-vm), moves there (bench-move), and on which'
	@echo '                      nodes the accesses of containers are (bench-locality; bench/locality/run --help)'
	@echo 'make clean            take the build folder away'
