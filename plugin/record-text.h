/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the writer and the reader of a record's text must agree on.  For record.c
 * and record-parse.c alone.
 */
#ifndef NUMAPLACE_RECORD_TEXT_H
#define NUMAPLACE_RECORD_TEXT_H

#include "plugin/record.h"

#define RECORD_FIRST_LINE "numaplace-record 1\n"
#define RECORD_CRC_LINE "crc=%08x\n"
#define RECORD_CRC_LINE_LEN 13
#define RECORD_BYTES_LIMIT (1ULL << 60)
#define RECORD_PAGES_LIMIT (1ULL << 40)

/* A path by the rule for names; empty: not known. */
bool record_good_cgroup(const char *path);

#endif
