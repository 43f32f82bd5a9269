/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container of a pod requests: the keys in its annotations, in those of its pod and in its environment, those
 * of a device of CDI, its resources where no key says otherwise, its devices, and the host's default for pods.
 */
#ifndef NUMAPLACE_NRI_REQUEST_H
#define NUMAPLACE_NRI_REQUEST_H

#include "place/conf.h"
#include "place/devices.h"
#include "runtime-hooks/nri/nri-message.h"

/*
 * Makes the request; *@asked: it has keys of its own. It is finished unless it is empty (request_asks()). For one
 * container of the pod, a key is written KEY/container.NAME. -EINVAL.
 */
int nri_request(const struct nri_pod *pod, const struct nri_container *c, const struct conf *conf, struct request *out,
		bool *asked, struct error *err);

/* Adds the devices of the container to the request, which asks for a placement. */
void nri_find_devices(struct place_env *env, const struct nri_container *c, struct request *r);

/*
 * Makes the request of the whole pod from its resources, as a kubelet sums them up, when @c is its first container. Empty
 * if the pod has none, or if they are not what its placed containers claim: its keys say so, or not all are placed.
 */
int nri_pod_request(const struct nri_pod *pod, const struct nri_container *c, const struct conf *conf,
		    struct request *out, struct error *err);

/* Whether the limits are those of a Guaranteed pod: memory is limited, and the CPU limit is also the CPU request. */
bool nri_is_guaranteed(const struct nri_resources *r);

#endif
