// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bodies of what helpers.h declares.
 */

#include <crypto/hash.h>
#include <linux/acpi.h>
#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/crc32.h>
#include <linux/dmi.h>
#include <linux/file.h>
#include <linux/fips.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/ipv6.h>
#include <linux/iscsi_ibft.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/sockptr.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/ipconfig.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "helpers.h"

/* In the tree, Kconfig selects it. */
#ifndef CONFIG_NET_CRC32C
#error "a kernel with CONFIG_NET_CRC32C is needed: NVME_TCP, IP_SCTP and others select it"
#endif

char iscsi_init_if[ISCSI_INIT_PARAMETER_SIZE];
module_param_string(if, iscsi_init_if, sizeof(iscsi_init_if), 0444);
MODULE_PARM_DESC(if, "<dev>[:<ip>[:<netmask>[:<gateway>]]]: network interface, by name or MAC; "
		 "<name>.<number> is made for a VLAN; "
		 "of IPv6: <dev>:[<ip>]/<prefix length>[:[<gateway>]]; "
		 "an address means static, none DHCP/BOOTP; "
		 "absent: every Ethernet device, the first with a usable answer");

char iscsi_init_initiator[ISCSI_INIT_PARAMETER_SIZE];
module_param_string(initiator, iscsi_init_initiator, sizeof(iscsi_init_initiator), 0444);
MODULE_PARM_DESC(initiator, "initiator name (iqn., eui. or naa.)");

char iscsi_init_target[ISCSI_INIT_PARAMETER_SIZE];
module_param_string(target, iscsi_init_target, sizeof(iscsi_init_target), 0444);
MODULE_PARM_DESC(target, "<ip>[:<port>][:<target name>][,...]: iSCSI target; "
		 "behind commas further portals of it, or other targets; IPv6 in brackets");

char iscsi_init_lun[ISCSI_INIT_PARAMETER_SIZE];
module_param_string(lun, iscsi_init_lun, sizeof(iscsi_init_lun), 0444);
MODULE_PARM_DESC(lun, "boot LUN, decimal, default 0");

char iscsi_init_conf[ISCSI_INIT_PARAMETER_SIZE];
module_param_string(conf, iscsi_init_conf, sizeof(iscsi_init_conf), 0444);
MODULE_PARM_DESC(conf, "configuration file, default /etc/iscsi.conf");

char iscsi_init_timeout[ISCSI_INIT_PARAMETER_SIZE];
module_param_string(timeout, iscsi_init_timeout, sizeof(iscsi_init_timeout), 0444);
MODULE_PARM_DESC(timeout, "for how many seconds the boot is tried, 0 for ever; "
		 "absent: once, when built in for ever");

#ifndef MODULE
/* The kernel would hand an argument that nobody claims on to init. */
static int __init claim(char *value)
{
	return 1;
}
__setup_param("iscsi-if=", claim_if, claim, 0);
__setup_param("iscsi-initiator=", claim_initiator, claim, 0);
__setup_param("iscsi-target=", claim_target, claim, 0);
__setup_param("iscsi-lun=", claim_lun, claim, 0);
__setup_param("iscsi-conf=", claim_conf, claim, 0);
__setup_param("iscsi-timeout=", claim_timeout, claim, 0);

static int __init initcalls_done(void)
{
	iscsi_init_initcalls_done();
	return 0;
}
late_initcall_sync(initcalls_done);
#endif

const char *iscsi_init_ipconfig_root_path(u32 *server)
{
#if defined(CONFIG_IP_PNP) && !defined(MODULE)
	*server = root_server_addr;
	return root_server_path[0] ? (const char *)root_server_path : NULL;
#else
	return NULL;
#endif
}

u32 iscsi_init_ipconfig_gateway(void)
{
#if defined(CONFIG_IP_PNP) && !defined(MODULE)
	return ic_gateway;
#else
	return INADDR_NONE;
#endif
}

size_t iscsi_init_ibft_low_memory(u8 *to, size_t size)
{
#ifdef CONFIG_ISCSI_IBFT_FIND
	/* Between here and the BIOS is the video memory, in which there is no table. */
	const phys_addr_t video = 0xa0000;
	phys_addr_t from = ibft_phys_addr;

	if (from < IBFT_START || from >= IBFT_END)
		return 0;
	size = min_t(size_t, size, (from < video ? video : IBFT_END) - from);
	/* The first megabyte is always mapped; the kernel has reserved where the table is. */
	memcpy(to, phys_to_virt(from), size);
	return size;
#else
	return 0;
#endif
}

size_t iscsi_init_ibft_acpi(const char *signature, u8 *to, size_t size)
{
#ifdef CONFIG_ACPI
	struct acpi_table_header *table;

	if (acpi_disabled || ACPI_FAILURE(acpi_get_table((char *)signature, 0, &table)))
		return 0;
	size = min_t(size_t, size, table->length);
	memcpy(to, table, size);
	acpi_put_table(table);
	return size;
#else
	return 0;
#endif
}

const char *iscsi_init_dmi_product_uuid(void)
{
	return dmi_get_system_info(DMI_PRODUCT_UUID);
}

bool iscsi_init_fips_enabled(void)
{
	return fips_enabled;
}

unsigned int iscsi_init_shash_length(struct crypto_shash *shash)
{
	return crypto_shash_digestsize(shash);
}

int iscsi_init_shash_digest(struct crypto_shash *shash, const struct kvec *parts,
			    unsigned int count, u8 *digest)
{
	SHASH_DESC_ON_STACK(desc, shash);
	unsigned int i;
	int error;

	desc->tfm = shash;
	error = crypto_shash_init(desc);
	for (i = 0; !error && i < count; i++)
		error = crypto_shash_update(desc, parts[i].iov_base, parts[i].iov_len);
	if (!error)
		error = crypto_shash_final(desc, digest);
	shash_desc_zero(desc);
	return error;
}

void iscsi_init_shash_free(struct crypto_shash *shash)
{
	crypto_free_shash(shash);
}

struct socket *iscsi_init_socket_create(int family, int type, int protocol)
{
	struct socket *sock;
	int error;

	/*
	 * For a family that it has not the kernel waits for modprobe, and that may be on the disk
	 * that the socket is to bring back.
	 */
	if (family == AF_INET6 && !ipv6_mod_enabled())
		return ERR_PTR(-EAFNOSUPPORT);
	error = sock_create_kern(&init_net, family, type, protocol, &sock);
	return error ? ERR_PTR(error) : sock;
}

void iscsi_init_socket_timeout(struct socket *sock, unsigned int milliseconds)
{
	long timeout = msecs_to_jiffies(milliseconds) ?: 1;

	WRITE_ONCE(sock->sk->sk_rcvtimeo, timeout);
	WRITE_ONCE(sock->sk->sk_sndtimeo, timeout);
}

struct file *iscsi_init_socket_file(struct socket *sock)
{
	return sock_alloc_file(sock, O_CLOEXEC, NULL);
}

void iscsi_init_sock_allow_broadcast(struct sock *sk)
{
	sock_set_flag(sk, SOCK_BROADCAST);
}

/*
 * What sk_attach_filter() does, which takes programs from user space alone. The socket's end gives
 * back the filter, and the memory that it is charged with.
 */
int iscsi_init_sock_filter(struct sock *sk, const struct sock_filter *program, u16 length)
{
	struct sock_fprog_kern source = {
		.len = length,
		.filter = (struct sock_filter *)program,
	};
	struct sk_filter *filter = kmalloc_obj(*filter);
	int error;

	if (!filter)
		return -ENOMEM;
	error = bpf_prog_create(&filter->prog, &source);
	if (error) {
		kfree(filter);
		return error;
	}
	refcount_set(&filter->refcnt, 1);
	atomic_add(bpf_prog_size(filter->prog->len), &sk->sk_omem_alloc);
	rcu_assign_pointer(sk->sk_filter, filter);
	return 0;
}

void iscsi_init_sock_take_reserves(struct sock *sk)
{
	sock_set_flag(sk, SOCK_MEMALLOC);
}

/*
 * A disk's connection must make progress when the machine is out of memory, since writing out dirty
 * pages is what frees it.
 */
void iscsi_init_sock_prepare(struct sock *sk)
{
	unsigned int delay = max(ISCSI_INIT_ACK_DELAY, jiffies_to_usecs(TCP_TIMEOUT_MIN));

	iscsi_init_sock_take_reserves(sk);
	sk->sk_allocation = GFP_ATOMIC | __GFP_MEMALLOC;
	sk->sk_use_task_frag = false;
	tcp_sock_set_nodelay(sk);
	/* Without it, TCP's own limit holds. */
	sk->sk_prot->setsockopt(sk, SOL_TCP, TCP_DELACK_MAX_US, KERNEL_SOCKPTR(&delay),
				sizeof(delay));
}

/*
 * A sender that never waits for its peer sends each page as it gets it, in a segment of its own.
 * Left alone, TCP lets the window grow to many times what a short path holds, so that no sender
 * waits.
 */
void iscsi_init_sock_bound_window(struct sock *sk)
{
	u32 rtt = tcp_min_rtt(tcp_sk(sk));

	/* Of a receive buffer about half is window, which is how the kernel takes the value. */
	if (rtt < ISCSI_INIT_SHORT_PATH)
		sock_set_rcvbuf(sk, clamp_t(u32, rtt * ISCSI_INIT_WINDOW_RATE,
					    ISCSI_INIT_WINDOW_MIN, ISCSI_INIT_WINDOW_MAX));
}

void iscsi_init_sock_retire(struct sock *sk)
{
	lock_sock(sk);
	if (sock_flag(sk, SOCK_MEMALLOC)) {
		sock_reset_flag(sk, SOCK_MEMALLOC);
		sk->sk_allocation &= ~__GFP_MEMALLOC;
		sk_mem_reclaim(sk);
	}
	release_sock(sk);
}

/*
 * sk_set_memalloc() and sk_clear_memalloc() throw this switch for each socket, behind locks whose
 * holders may wait for the very disk whose connection is being made anew.
 */
void iscsi_init_sock_reserves_on(void)
{
	static_branch_inc(&memalloc_socks_key);
}

void iscsi_init_sock_reserves_off(void)
{
	static_branch_dec(&memalloc_socks_key);
}

void iscsi_init_sock_attach(struct sock *sk, void *owner, const struct iscsi_init_callbacks *ours,
			    struct iscsi_init_callbacks *theirs)
{
	write_lock_bh(&sk->sk_callback_lock);
	theirs->data_ready = sk->sk_data_ready;
	theirs->write_space = sk->sk_write_space;
	theirs->state_change = sk->sk_state_change;
	theirs->error_report = sk->sk_error_report;
	sk->sk_user_data = owner;
	sk->sk_data_ready = ours->data_ready;
	sk->sk_write_space = ours->write_space;
	sk->sk_state_change = ours->state_change;
	sk->sk_error_report = ours->error_report;
	write_unlock_bh(&sk->sk_callback_lock);
}

void iscsi_init_sock_detach(struct sock *sk, const struct iscsi_init_callbacks *theirs)
{
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = theirs->data_ready;
	sk->sk_write_space = theirs->write_space;
	sk->sk_state_change = theirs->state_change;
	sk->sk_error_report = theirs->error_report;
	write_unlock_bh(&sk->sk_callback_lock);
}

void *iscsi_init_sock_owner(const struct sock *sk)
{
	return sk->sk_user_data;
}

void iscsi_init_sock_lock(struct sock *sk)
{
	lock_sock(sk);
}

bool iscsi_init_sock_lock_fast(struct sock *sk)
{
	return lock_sock_fast(sk);
}

void iscsi_init_sock_unlock_fast(struct sock *sk, bool slow)
{
	unlock_sock_fast(sk, slow);
}

bool iscsi_init_sock_writable(struct sock *sk)
{
	if (!sk_stream_is_writeable(sk) || !sk->sk_socket)
		return false;
	clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	return true;
}

bool iscsi_init_sock_owned(const struct sock *sk)
{
	return sock_owned_by_user(sk);
}

int iscsi_init_sock_error(struct sock *sk)
{
	return sock_error(sk);
}

bool iscsi_init_sock_open(const struct sock *sk)
{
	return sk->sk_state == TCP_ESTABLISHED && !sk->sk_err &&
	       !(sk->sk_shutdown & RCV_SHUTDOWN);
}

unsigned int iscsi_init_sock_queued(struct sock *sk)
{
	return tcp_inq(sk);
}

/*
 * TCP acknowledges what is read, so reading less often makes for fewer acknowledgments, and for
 * larger segments of a sender that waits for them. A sender that has just begun sends ten segments
 * and waits, so a batch is less than that.
 */
unsigned int iscsi_init_sock_batch(struct sock *sk)
{
	/* TCP drops what comes next unless there is room at once. */
	if (inet_csk(sk)->icsk_ack.pending & ICSK_ACK_NOMEM)
		return 0;
	return min3(8U * inet_csk(sk)->icsk_ack.rcv_mss, tcp_sk(sk)->rcv_wnd / 4, SZ_32K);
}

/*
 * What has been read is a whole answer: the next command acknowledges it, or TCP's timer does.
 */
void iscsi_init_sock_answered(struct sock *sk)
{
	inet_csk(sk)->icsk_ack.pending &= ~(ICSK_ACK_PUSHED | ICSK_ACK_PUSHED2);
}

bool iscsi_init_sock_reserve(struct sock *sk, unsigned int length)
{
	return skb_page_frag_refill(length, sk_page_frag(sk), sk->sk_allocation);
}

/*
 * Copies @data to the memory reserved before. The piece is added to @last where it continues that;
 * else it becomes @next, which holds a reference to its page.
 */
bool iscsi_init_sock_stage(struct sock *sk, const void *data, unsigned int length,
			   struct bio_vec *last, struct bio_vec *next)
{
	struct page_frag *frag = sk_page_frag(sk);
	unsigned int offset = frag->offset;

	memcpy(page_address(frag->page) + offset, data, length);
	frag->offset += length;
	if (last && last->bv_page == frag->page && last->bv_offset + last->bv_len == offset) {
		last->bv_len += length;
		return false;
	}
	get_page(frag->page);
	bvec_set_page(next, frag->page, length, offset);
	return true;
}

void iscsi_init_page_put(struct page *page)
{
	put_page(page);
}

u32 iscsi_init_pages_crc32c(const struct bio_vec *pages, unsigned int count, u32 crc)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		crc = crc32c(crc, page_address(pages[i].bv_page) + pages[i].bv_offset,
			     pages[i].bv_len);
	return crc;
}

static bool can_be_lent(const struct bio_vec *piece)
{
	return sendpages_ok(piece->bv_page, piece->bv_len, piece->bv_offset);
}

/*
 * Sends the first of @pages, of which there is at least one. Slab memory cannot be lent to the
 * network stack but is copied, so what is lent and what is not go by calls of their own. When there
 * is no space for the second, the end of the first goes with the next ACK: a full send
 * buffer has something in flight.
 */
int iscsi_init_sock_send_pages(struct sock *sk, struct bio_vec *pages, unsigned int count,
			       bool more)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	bool lend = can_be_lent(&pages[0]);
	size_t length = 0;
	unsigned int i;

	for (i = 0; i < count && can_be_lent(&pages[i]) == lend; i++)
		length += pages[i].bv_len;
	if (lend)
		msg.msg_flags |= MSG_SPLICE_PAGES;
	if (more || i < count)
		msg.msg_flags |= MSG_MORE;

	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, pages, i, length);
	return tcp_sendmsg_locked(sk, &msg, length);
}

unsigned int iscsi_init_noreclaim_save(void)
{
	return memalloc_noreclaim_save();
}

void iscsi_init_noreclaim_restore(unsigned int flags)
{
	memalloc_noreclaim_restore(flags);
}

unsigned int iscsi_init_noio_save(void)
{
	return memalloc_noio_save();
}

void iscsi_init_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}

bool iscsi_init_list_empty(const struct llist_head *list)
{
	return llist_empty(list);
}

bool iscsi_init_list_add(struct llist_node *node, struct llist_head *list)
{
	return llist_add(node, list);
}

struct llist_node *iscsi_init_list_take(struct llist_head *list)
{
	return llist_del_all(list);
}

struct proc_dir_entry *iscsi_init_proc_net(void)
{
	return init_net.proc_net;
}

struct proc_dir_entry *iscsi_init_proc_net_mkdir(const char *name)
{
	return proc_net_mkdir(&init_net, name, init_net.proc_net);
}

bool iscsi_init_process_name(int number, char *name, size_t size)
{
	struct task_struct *task;

	guard(rcu)();
	task = pid_task(find_vpid(number), PIDTYPE_TGID);
	if (!task)
		return false;
	strscpy(name, task->comm, size);
	return true;
}

u32 iscsi_init_process_current(char *name, size_t size)
{
	if (current->flags & PF_KTHREAD)
		return 0;
	strscpy(name, current->comm, size);
	return task_tgid_nr(current);
}

int iscsi_init_netdev_index(const void *info)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(info);

	return net_eq(dev_net(dev), &init_net) ? dev->ifindex : 0;
}

void iscsi_init_completion_init(struct completion *completion)
{
	init_completion(completion);
}

unsigned long iscsi_init_jiffies_of(unsigned int milliseconds)
{
	return msecs_to_jiffies(milliseconds) ?: 1;
}

u64 iscsi_init_milliseconds(void)
{
	return ktime_to_ms(ktime_get_coarse());
}
