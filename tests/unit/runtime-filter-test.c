/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seccomp filter of this architecture, interpreted: its result for every number that a call may have, for each
 * family of sockets, and for other architectures. The kernel is not involved, so the test also runs under emulation.
 */
#include "runtime-hooks/common/confine.h"

#include "plugin/base/util.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#define NUMBERS 0x20000
#define NO_ANSWER 0xdeadbeef

static struct sock_filter filter[CONFINE_FILTER_MAX];
static unsigned int len;

/* The kernel's result for @d; NO_ANSWER: the kernel would have refused the program. */
static uint32_t answer(const struct seccomp_data *d)
{
	uint32_t a = 0, x = 0;

	for (unsigned int at = 0; at < len; at++) {
		const struct sock_filter *f = &filter[at];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (f->k % 4 || f->k + 4 > sizeof(*d))
				return NO_ANSWER;
			memcpy(&a, (const char *)d + f->k, 4);
			break;
		case BPF_LD | BPF_IMM:
			a = f->k;
			break;
		case BPF_MISC | BPF_TAX:
			x = a;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			a >>= f->k;
			break;
		case BPF_ALU | BPF_RSH | BPF_X:
			a >>= x;
			break;
		case BPF_JMP | BPF_JA:
			at += f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			at += a & f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			return NO_ANSWER;
		}
	}
	return NO_ANSWER;
}

static uint32_t call(long nr, uint64_t first)
{
	const struct seccomp_data d = { .nr = (int)nr, .arch = CONFINE_ARCH, .args = { first, ~0ULL, ~0ULL } };

	return answer(&d);
}

static void test_numbers(unsigned int keep)
{
	unsigned int wrong = 0, through = 0, ended = 0;

	len = confine_filter(keep, filter);
	ok(len > 20 && len <= CONFINE_FILTER_MAX, "filter %x: %u instructions", keep, len);
	for (long nr = 0; nr < NUMBERS; nr++) {
		uint32_t want = confine_ends((int)nr)		? SECCOMP_RET_KILL_PROCESS :
				confine_allows(keep, (int)nr) ? SECCOMP_RET_ALLOW :
								SECCOMP_RET_ERRNO | ENOSYS;

		if (nr == SYS_socket)
			continue;
		through += want == SECCOMP_RET_ALLOW;
		ended += want == SECCOMP_RET_KILL_PROCESS;
		if (call(nr, ~0ULL) != want && ++wrong < 10)
			diag("call %ld: %x, wanted %x", nr, call(nr, ~0ULL), want);
	}
	is_int(wrong, 0, "filter %x: of %d numbers %u are allowed, %u end the process", keep, NUMBERS, through, ended);
	ok(through > 60 && through < 100 && ended > 10, "filter %x: as few calls are allowed as in SECURITY.md", keep);
}

static void test_sockets(void)
{
	unsigned int wrong = 0;

	for (uint64_t family = 0; family < 64; family++)
		wrong += call(SYS_socket, family) !=
			 (family == AF_UNIX ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EAFNOSUPPORT);
	is_int(wrong, 0, "sockets: AF_UNIX alone is allowed");
	/* The kernel uses an int. */
	is_int(call(SYS_socket, AF_INET | (uint64_t)AF_UNIX << 32), SECCOMP_RET_ERRNO | EAFNOSUPPORT,
	       "sockets: the upper half of the argument is ignored");
#ifdef SYS_socketcall
	is_int(call(SYS_socketcall, 1), SECCOMP_RET_ERRNO | ENOSYS, "sockets: socketcall() returns ENOSYS");
#endif
}

static void test_others(void)
{
	static const uint32_t others[] = { AUDIT_ARCH_I386,    AUDIT_ARCH_X86_64, AUDIT_ARCH_ARM,   AUDIT_ARCH_AARCH64,
					   AUDIT_ARCH_PPC64LE, AUDIT_ARCH_PPC64,  AUDIT_ARCH_S390X, AUDIT_ARCH_S390,
					   AUDIT_ARCH_RISCV64, 0,		  UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		const struct seccomp_data d = { .nr = SYS_read, .arch = others[i] };

		is_int(answer(&d), others[i] == CONFINE_ARCH ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS,
		       "read() with the numbers of architecture %x", others[i]);
	}
	is_int(call(-1, 0), SECCOMP_RET_ALLOW, "a call that a debugger has removed is allowed");
#ifdef __x86_64__
	is_int(call(SYS_read | 0x40000000, 0), SECCOMP_RET_KILL_PROCESS, "a call with an x32 number ends the process");
#endif
}

int main(void)
{
	if (!confine_has_filter()) {
		ok(true, "seccomp filter (not used with a sanitizer)");
		return done();
	}
	test_numbers(0);
	test_numbers(CONFINE_LIBLXC);
	test_sockets();
	test_others();
	return done();
}
