/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Rust cannot reach by itself: inline functions, macros and string parameters.
 *
 * Nothing here decides anything; each function is one kernel idiom, made coarse enough that one
 * call does one job of the data path.
 */
#ifndef ISCSI_INIT_HELPERS_H
#define ISCSI_INIT_HELPERS_H

#include <linux/blkdev.h>
#include <linux/types.h>

struct bio_vec;
struct completion;
struct crypto_shash;
struct device;
struct file;
struct kvec;
struct llist_head;
struct llist_node;
struct page;
struct proc_dir_entry;
struct queue_limits;
struct request;
struct scatterlist;
struct Scsi_Host;
struct scsi_cmnd;
struct scsi_device;
struct sk_buff;
struct sock;
struct sock_filter;
struct socket;

/* Module parameters, empty when not given. */
#define ISCSI_INIT_PARAMETER_SIZE 320
extern char iscsi_init_if[ISCSI_INIT_PARAMETER_SIZE];
extern char iscsi_init_initiator[ISCSI_INIT_PARAMETER_SIZE];
extern char iscsi_init_target[ISCSI_INIT_PARAMETER_SIZE];
extern char iscsi_init_lun[ISCSI_INIT_PARAMETER_SIZE];
extern char iscsi_init_conf[ISCSI_INIT_PARAMETER_SIZE];
extern char iscsi_init_timeout[ISCSI_INIT_PARAMETER_SIZE];

/* Firmware's tables: copy at most @size bytes of one, and return how many. */
size_t iscsi_init_ibft_low_memory(u8 *to, size_t size);
size_t iscsi_init_ibft_acpi(const char *signature, u8 *to, size_t size);

/* The system's UUID as the firmware has it, as text; NULL where there is none. */
const char *iscsi_init_dmi_product_uuid(void);

/* Hash functions. */
bool iscsi_init_fips_enabled(void);
unsigned int iscsi_init_shash_length(struct crypto_shash *shash);
int iscsi_init_shash_digest(struct crypto_shash *shash, const struct kvec *parts,
			    unsigned int count, u8 *digest);
void iscsi_init_shash_free(struct crypto_shash *shash);

/* Sockets. */
struct socket *iscsi_init_socket_create(int family, int type, int protocol);
void iscsi_init_socket_timeout(struct socket *sock, unsigned int milliseconds);
struct file *iscsi_init_socket_file(struct socket *sock);
void iscsi_init_sock_allow_broadcast(struct sock *sk);
/* Gives a socket that has none a filter, a classic BPF program. Process context. */
int iscsi_init_sock_filter(struct sock *sk, const struct sock_filter *program, u16 length);

/* What a connection's owner is told, always with the socket lock held. */
struct iscsi_init_callbacks {
	void (*data_ready)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	void (*error_report)(struct sock *sk);
};

/* How long an acknowledgment may wait for something to go with, in microseconds. */
#define ISCSI_INIT_ACK_DELAY 8000U

/*
 * The receive window of a path whose round trip takes less than so many microseconds: bytes for
 * each of them (40 Gbit/s), and between which bounds. On a longer path TCP finds it by itself.
 */
#define ISCSI_INIT_SHORT_PATH 1500
#define ISCSI_INIT_WINDOW_RATE 5000
#define ISCSI_INIT_WINDOW_MIN SZ_128K
#define ISCSI_INIT_WINDOW_MAX SZ_1M

/* Lets a new socket receive what was made of the memory reserves, which others do not get. */
void iscsi_init_sock_take_reserves(struct sock *sk);
void iscsi_init_sock_prepare(struct sock *sk);
void iscsi_init_sock_bound_window(struct sock *sk);
void iscsi_init_sock_retire(struct sock *sk);
/* Lets packets of such sockets use the memory reserves. Process context. */
void iscsi_init_sock_reserves_on(void);
void iscsi_init_sock_reserves_off(void);
void iscsi_init_sock_attach(struct sock *sk, void *owner, const struct iscsi_init_callbacks *ours,
			    struct iscsi_init_callbacks *theirs);
void iscsi_init_sock_detach(struct sock *sk, const struct iscsi_init_callbacks *theirs);
void *iscsi_init_sock_owner(const struct sock *sk);
void iscsi_init_sock_lock(struct sock *sk);
bool iscsi_init_sock_lock_fast(struct sock *sk);
void iscsi_init_sock_unlock_fast(struct sock *sk, bool slow);
bool iscsi_init_sock_writable(struct sock *sk);
bool iscsi_init_sock_owned(const struct sock *sk);
int iscsi_init_sock_error(struct sock *sk);
bool iscsi_init_sock_open(const struct sock *sk);
unsigned int iscsi_init_sock_queued(struct sock *sk);
unsigned int iscsi_init_sock_batch(struct sock *sk);
void iscsi_init_sock_answered(struct sock *sk);
bool iscsi_init_sock_reserve(struct sock *sk, unsigned int length);
bool iscsi_init_sock_stage(struct sock *sk, const void *data, unsigned int length,
			   struct bio_vec *last, struct bio_vec *next);
void iscsi_init_page_put(struct page *page);
u32 iscsi_init_pages_crc32c(const struct bio_vec *pages, unsigned int count, u32 crc);
int iscsi_init_sock_send_pages(struct sock *sk, struct bio_vec *pages, unsigned int count,
			       bool more);

/* Memory allocated between these calls may come from the reserves. */
unsigned int iscsi_init_noreclaim_save(void);
void iscsi_init_noreclaim_restore(unsigned int flags);
/* Memory allocated between these calls does no I/O to free other memory. */
unsigned int iscsi_init_noio_save(void);
void iscsi_init_noio_restore(unsigned int flags);

/* A place in a command's data buffer; zero-filled is its start. */
struct iscsi_init_cursor {
	struct scatterlist *segment;
	unsigned int segment_start;
};

u32 iscsi_init_command_tag(struct scsi_cmnd *cmd);
bool iscsi_init_command_passthrough(struct scsi_cmnd *cmd);
void iscsi_init_command_renew(struct scsi_cmnd *cmd);
unsigned int iscsi_init_command_pages(struct scsi_cmnd *cmd, struct iscsi_init_cursor *cursor,
				      unsigned int offset, unsigned int length,
				      struct bio_vec *pages, unsigned int count,
				      unsigned int *filled);
int iscsi_init_command_copy_in(struct scsi_cmnd *cmd, struct iscsi_init_cursor *cursor,
			       unsigned int offset, const struct sk_buff *skb,
			       unsigned int skb_offset, unsigned int length, u32 *crc);

bool iscsi_init_list_empty(const struct llist_head *list);
bool iscsi_init_list_add(struct llist_node *node, struct llist_head *list);
struct llist_node *iscsi_init_list_take(struct llist_head *list);

void iscsi_init_host_set_limits(struct Scsi_Host *shost, unsigned short commands,
				short commands_per_lun, unsigned int sectors);
void iscsi_init_host_unscheduled(struct Scsi_Host *shost);
void iscsi_init_device_set_timeout(struct scsi_device *sdev, unsigned int seconds);
void iscsi_init_limits_stable(struct queue_limits *limits);
void **iscsi_init_host_private(struct Scsi_Host *shost);
void **iscsi_init_host_lock(struct Scsi_Host *shost);
void iscsi_init_host_unlock(struct Scsi_Host *shost);
void iscsi_init_device_wait_callers(struct scsi_device *sdev);
struct Scsi_Host *iscsi_init_host_of_device(struct scsi_device *sdev);

/* The device's LUN and, of its Device Identification page, what fits @page; how much that is. */
unsigned int iscsi_init_device_identification(struct scsi_device *sdev, u64 *lun, u8 *page,
					      unsigned int size);

static const blk_mode_t iscsi_init_blk_open_read = BLK_OPEN_READ;

/* Whether a driver has the device, or is looking at it. */
bool iscsi_init_device_has_driver(struct scsi_device *sdev);

/* Whether the disk on it has got its name. */
bool iscsi_init_device_is_named(struct scsi_device *sdev);

/*
 * The block device under a SCSI device: its device number, 0 when there is none yet whose
 * partitions have been looked for.
 */
dev_t iscsi_init_disk_of(struct scsi_device *sdev, char *name, size_t name_size);
struct proc_dir_entry *iscsi_init_proc_net(void);
struct proc_dir_entry *iscsi_init_proc_net_mkdir(const char *name);

/*
 * What the kernel's own ipconfig learned of a root path: the text without the server's address, and
 * that, in network byte order; NULL where there is none or, in a module, out of reach.
 */
const char *iscsi_init_ipconfig_root_path(u32 *server);

/* The gateway that it has, likewise; INADDR_NONE where there is none or it is out of reach. */
u32 iscsi_init_ipconfig_gateway(void);

/*
 * Copies the secret of a key, of type logon or else user, from the keyrings of this process;
 * returns its length. ENOKEY: there is none.
 */
int iscsi_init_key_read(const char *description, void *to, size_t size);

#ifndef MODULE
/* In Rust: called when all of the kernel's initcalls are done, or about to be. */
void iscsi_init_initcalls_done(void);
#endif

/* The name of the program that a process runs; false where there is no such process any more. */
bool iscsi_init_process_name(int number, char *name, size_t size);
/*
 * The number of the process that calls this, and the name of the program that it runs; 0 for a
 * thread of the kernel's own.
 */
u32 iscsi_init_process_current(char *name, size_t size);

/* The number of the network device that a notifier is told of; 0 in another name space. */
int iscsi_init_netdev_index(const void *info);

void iscsi_init_completion_init(struct completion *completion);
unsigned long iscsi_init_jiffies_of(unsigned int milliseconds);
u64 iscsi_init_milliseconds(void);

#endif
