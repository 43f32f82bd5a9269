/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the hook and numad agree on: libvirt runs the hook with the name of a domain, then numad without it.
 */
#ifndef NUMAPLACE_LIBVIRT_ADVICE_H
#define NUMAPLACE_LIBVIRT_ADVICE_H

#define LIBVIRT_RUNTIME "libvirt"
#define LIBVIRT_CLASS "libvirt"
/* Where the cgroups of virtual machines are; a reservation names one below it. */
#define LIBVIRT_SLICE "/machine.slice"

#endif
