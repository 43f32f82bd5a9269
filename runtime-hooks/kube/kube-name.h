/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of objects of Kubernetes. A checked name can be a part of the path of a request as it is.
 */
#ifndef NUMAPLACE_KUBE_NAME_H
#define NUMAPLACE_KUBE_NAME_H

#include <stdbool.h>

#define KUBE_NAME_MAX 253 /* of a node and a pod */
#define KUBE_LABEL_MAX 63 /* of a namespace and a container */
#define KUBE_UID_MAX 64

/* Lower-case letters, digits and inner dashes. */
bool kube_is_label(const char *name);

/* One or more of such parts, with a dot between them. */
bool kube_is_name(const char *name);

/* Letters, digits and dashes: a UUID, or the hash that the kubelet gives a static pod. */
bool kube_is_uid(const char *uid);

#endif
