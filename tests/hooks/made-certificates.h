/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For made-apiserver.c: authorities and certificates, made at each run, so that no key is in the repository.
 */
#ifndef NUMAPLACE_MADE_CERTIFICATES_H
#define NUMAPLACE_MADE_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct made {
	EVP_PKEY *key;
	X509 *cert;
};

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!extension || X509_add_ext(cert, extension, -1) != 1)
		abort();
	X509_EXTENSION_free(extension);
}

/* @issuer NULL: an authority. @name: "IP:127.0.0.1", for a server. */
static struct made make_certificate(const struct made *issuer, const char *common_name, const char *name)
{
	static long serial;
	struct made m = { .key = EVP_EC_gen("P-256"), .cert = X509_new() };
	X509_NAME *subject;

	if (!m.key || !m.cert)
		abort();
	X509_set_version(m.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(m.cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(m.cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(m.cert), 24L * 3600);
	X509_set_pubkey(m.cert, m.key);
	subject = X509_get_subject_name(m.cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(m.cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
	extend(m.cert, issuer ? issuer->cert : m.cert, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (name)
		extend(m.cert, issuer ? issuer->cert : m.cert, NID_subject_alt_name, name);
	if (!X509_sign(m.cert, issuer ? issuer->key : m.key, EVP_sha256()))
		abort();
	return m;
}

/* Replaces the file at once, as the kubelet does. */
static void write_certificate(const struct made *m, const char *path)
{
	char tmp[256];
	FILE *file;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	file = fopen(tmp, "w");
	if (!file || PEM_write_X509(file, m->cert) != 1 || fclose(file) || rename(tmp, path) < 0)
		abort();
}

static SSL_CTX *server_with(const struct made *m)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || SSL_CTX_use_certificate(ctx, m->cert) != 1 || SSL_CTX_use_PrivateKey(ctx, m->key) != 1)
		abort();
	return ctx;
}

#endif
