// SPDX-License-Identifier: GPL-2.0-only
/*
 * Secrets of the kernel's keyrings, for helpers.h.
 */

#include <keys/user-type.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/key.h>
#include <linux/string.h>

#include "helpers.h"

#ifdef CONFIG_KEYS
static int read_key(struct key *key, void *to, size_t size)
{
	const struct user_key_payload *payload;

	guard(rwsem_read)(&key->sem);
	payload = user_key_payload_locked(key);
	if (!payload)
		return -EKEYREVOKED;
	if (payload->datalen > size)
		return -EMSGSIZE;
	memcpy(to, payload->data, payload->datalen);
	return payload->datalen;
}

int iscsi_init_key_read(const char *description, void *to, size_t size)
{
	struct key *key;
	int length;

	/*
	 * User space cannot read the first kind. Without callout information nobody is asked for a
	 * key.
	 */
	key = request_key(&key_type_logon, description, NULL);
	if (key == ERR_PTR(-ENOKEY))
		key = request_key(&key_type_user, description, NULL);
	if (IS_ERR(key))
		return PTR_ERR(key);
	length = read_key(key, to, size);
	key_put(key);
	return length;
}
#else
int iscsi_init_key_read(const char *description, void *to, size_t size)
{
	return -ENOKEY;
}
#endif
