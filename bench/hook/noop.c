/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lower bound: a hook that reads its input and does nothing. Linked statically, and dynamically with the
 * libraries of oci-hook.
 */
#include <unistd.h>

int main(void)
{
	char scrap[4096];

	while (read(STDIN_FILENO, scrap, sizeof(scrap)) > 0)
		;
	return 0;
}
