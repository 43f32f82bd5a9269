/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interrupts of a device, which sysfs has at the device itself or at one above it: a virtio disk is below the PCI function
 * that has them.
 */
#ifndef NUMAPLACE_DEVICE_IRQ_H
#define NUMAPLACE_DEVICE_IRQ_H

/*
 * Calls @each for each interrupt of the device with this name: as limits.cpu.device has it, or as a found device has it
 * ("vfio group 7"). Stops at the first non-zero return and returns it. -ENOENT: there is no such device, or it has none.
 */
int device_each_irq(int root, const char *name, int (*each)(void *arg, int irq), void *arg);

#endif
