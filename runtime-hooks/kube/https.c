/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Only this file uses libcurl. The connection stays open between requests, if the server allows it.
 */
#include "runtime-hooks/kube/https.h"

#include "plugin/base/util.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define CONNECT_SECONDS 5L
#define ANSWER_MOST (16L << 20) /* bytes; the server repeats what it was sent, with its own fields */
#define HEADER "Authorization: Bearer "

struct https {
	const struct https_settings *settings;
	CURL *curl;
	char why[CURL_ERROR_SIZE];
};

int https_begin(struct https **out, const struct https_settings *settings, struct error *err)
{
	cleanup_free struct https *h = calloc(1, sizeof(*h));

	if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(err, -ENOMEM, "libcurl: cannot begin");
	h->settings = settings;
	h->curl = curl_easy_init();
	if (!h->curl)
		return error_set(err, -ENOMEM, "libcurl: out of memory");
	*out = steal_ptr(h);
	return 0;
}

void https_end(struct https *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	curl_global_cleanup();
	free(h);
}

struct keep {
	struct https_answer *out;
	size_t total;
	bool headed; /* the header has its end */
};

/* libcurl accepts an answer that ends within its header. */
static size_t see_header(char *line, size_t one, size_t n, void *arg)
{
	struct keep *k = arg;

	(void)one;
	k->headed = n == 2 && memcmp(line, "\r\n", 2) == 0;
	return n;
}

/* Keeps the beginning; a too long answer ends the transfer. */
static size_t keep(char *data, size_t one, size_t n, void *arg)
{
	struct keep *k = arg;

	(void)one;
	if (n > ANSWER_MOST - k->total)
		return 0;
	if (k->total + n <= sizeof(k->out->text))
		memcpy(k->out->text + k->total, data, n);
	k->total += n;
	return n;
}

static int watch(void *arg, curl_off_t down, curl_off_t downloaded, curl_off_t up, curl_off_t uploaded)
{
	const struct https *h = arg;

	(void)down;
	(void)downloaded;
	(void)up;
	(void)uploaded;
	return *h->settings->ended != 0;
}

/* False: libcurl does not know one of them, or has no memory. */
static bool set_options(struct https *h, const char *url, struct curl_slist *headers, const char *body, size_t len,
			struct keep *k)
{
	CURL *c = h->curl;
	bool set = true;

#define SET(option, value) (set &= curl_easy_setopt(c, option, value) == CURLE_OK)
	SET(CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "https");
#else
	SET(CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTPS);
#endif
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_CAINFO, h->settings->authorities);
	SET(CURLOPT_CAPATH, NULL);
#if LIBCURL_VERSION_NUM >= 0x075700
	SET(CURLOPT_CA_CACHE_TIMEOUT, 0L); /* the file is replaced when the authority is */
#endif
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	SET(CURLOPT_TIMEOUT, (long)h->settings->seconds);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, watch);
	SET(CURLOPT_XFERINFODATA, h);
	SET(CURLOPT_ERRORBUFFER, h->why);
	SET(CURLOPT_CUSTOMREQUEST, "PATCH");
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	SET(CURLOPT_POSTFIELDS, body);
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_HEADERFUNCTION, see_header);
	SET(CURLOPT_HEADERDATA, k);
	SET(CURLOPT_WRITEFUNCTION, keep);
	SET(CURLOPT_WRITEDATA, k);
#undef SET
	return set;
}

static bool add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer;
}

static struct curl_slist *make_headers(const char *token)
{
	cleanup_free char *line = NULL;
	struct curl_slist *list = NULL;

	if (asprintf(&line, HEADER "%s", token) < 0) {
		line = NULL;
		return NULL;
	}
	/* "Expect:" empty: without it, libcurl waits up to a second before it sends a long body. */
	if (add_header(&list, line) && add_header(&list, "Content-Type: application/apply-patch+yaml") &&
	    add_header(&list, "Accept: application/json") && add_header(&list, "User-Agent: numaplace-kube") &&
	    add_header(&list, "Expect:"))
		return list;
	curl_slist_free_all(list);
	return NULL;
}

static int failure(struct https *h, CURLcode code, struct error *err)
{
	const char *why = *h->why ? h->why : curl_easy_strerror(code);
	int rc = code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : code == CURLE_ABORTED_BY_CALLBACK ? -ECANCELED : -EIO;

	make_printable(h->why);
	return error_set(err, rc, "%s: %.300s", h->settings->server, why);
}

int https_apply(struct https *h, const char *path, const char *token, const char *body, size_t len,
		struct https_answer *out, struct error *err)
{
	struct curl_slist *headers = make_headers(token);
	struct keep k = { .out = out };
	cleanup_free char *url = NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	*h->why = '\0';
	if (asprintf(&url, "%s%s", h->settings->server, path) < 0)
		url = NULL;
	if (headers && url)
		code = set_options(h, url, headers, body, len, &k) ? curl_easy_perform(h->curl) : CURLE_UNKNOWN_OPTION;
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		return failure(h, code, err);
	if (!k.headed)
		return error_set(err, -EIO, "%s: the answer ends within its header", h->settings->server);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &out->status);
	out->len = k.total <= sizeof(out->text) ? k.total : 0;
	return 0;
}
