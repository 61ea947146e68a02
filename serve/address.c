#include <arpa/inet.h>
#include <string.h>

#include "serve/priv.h"

bool hr_address(const char *text, uint16_t port, union hr_address *ret_a, socklen_t *ret_bytes, struct hr_error *err)
{
	const char *number = strcmp(text, "localhost") == 0 ? "127.0.0.1" : text;

	memset(ret_a, 0, sizeof *ret_a);
	if (inet_pton(AF_INET, number, &ret_a->v4.sin_addr) == 1) {
		ret_a->v4.sin_family = AF_INET;
		ret_a->v4.sin_port = htons(port);
		*ret_bytes = sizeof ret_a->v4;
		if (ntohl(ret_a->v4.sin_addr.s_addr) >> 24 == 127)
			return true;
	} else if (inet_pton(AF_INET6, number, &ret_a->v6.sin6_addr) == 1) {
		ret_a->v6.sin6_family = AF_INET6;
		ret_a->v6.sin6_port = htons(port);
		*ret_bytes = sizeof ret_a->v6;
		if (IN6_IS_ADDR_LOOPBACK(&ret_a->v6.sin6_addr))
			return true;
	} else {
		return hr_fail(err, HR_E_CONFIG, "the HTTP address \"%s\" is neither IPv4 nor IPv6", text);
	}
	return hr_fail(err, HR_E_CONFIG,
	               "the HTTP address %s is not loopback: what users did must not be readable from the network without "
	               "TLS and a token, and this version has neither; use 127.0.0.1 or ::1, and a proxy on this machine that "
	               "asks for both", text);
}

bool hr_server_address(const char *address, struct hr_error *err)
{
	union hr_address a;
	socklen_t bytes;

	return hr_address(address, 0, &a, &bytes, err);
}
