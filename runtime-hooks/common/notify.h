/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells systemd the state of a service (Type=notify, sd_notify(3)). One datagram needs no library.
 */
#ifndef NUMAPLACE_NOTIFY_H
#define NUMAPLACE_NOTIFY_H

/* Sends @text, such as "READY=1"; warns if it cannot. Does nothing outside of such a service. */
void notify_systemd(const char *text);

#endif
