/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Definitions shared by the writer (record.c) and the parser (record-parse.c) of a record's text.
 */
#ifndef NUMAPLACE_RECORD_TEXT_H
#define NUMAPLACE_RECORD_TEXT_H

#include "plugin/ledger/record.h"

#define RECORD_FIRST_LINE "numaplace-record 1\n"
#define RECORD_CRC_LINE "crc=%08x\n"
#define RECORD_CRC_LINE_LEN 13
#define RECORD_BYTES_LIMIT (1ULL << 60)
#define RECORD_PAGES_LIMIT (1ULL << 40)

/* Whether name_check_cgroup() accepts @path; the empty path means unknown and is valid, too. */
bool record_good_cgroup(const char *path);

#endif
