// SPDX-License-Identifier: GPL-2.0-only
/*
 * SCSI commands, hosts and disks, for helpers.h.
 */

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/device.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uio.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_host.h>

#include "helpers.h"

u32 iscsi_init_command_tag(struct scsi_cmnd *cmd)
{
	return scsi_cmd_to_rq(cmd)->tag;
}

bool iscsi_init_command_passthrough(struct scsi_cmnd *cmd)
{
	return blk_rq_is_passthrough(scsi_cmd_to_rq(cmd));
}

void iscsi_init_command_renew(struct scsi_cmnd *cmd)
{
	cmd->jiffies_at_alloc = jiffies;
}

/* Moves the cursor to the segment that holds @offset; false when the buffer ends before it. */
static bool seek(struct scsi_cmnd *cmd, struct iscsi_init_cursor *cursor, unsigned int offset)
{
	if (!cursor->segment || offset < cursor->segment_start) {
		cursor->segment = scsi_sglist(cmd);
		cursor->segment_start = 0;
	}
	while (cursor->segment && offset - cursor->segment_start >= cursor->segment->length) {
		cursor->segment_start += cursor->segment->length;
		cursor->segment = sg_next(cursor->segment);
	}
	return cursor->segment;
}

/* Describes the buffer from @offset on: returns the bytes described, at most @length. */
unsigned int iscsi_init_command_pages(struct scsi_cmnd *cmd, struct iscsi_init_cursor *cursor,
				      unsigned int offset, unsigned int length,
				      struct bio_vec *pages, unsigned int count,
				      unsigned int *filled)
{
	unsigned int done = 0;

	*filled = 0;
	while (done < length && *filled < count && seek(cmd, cursor, offset + done)) {
		unsigned int skip = offset + done - cursor->segment_start;
		unsigned int piece = min(cursor->segment->length - skip, length - done);

		bvec_set_page(&pages[(*filled)++], sg_page(cursor->segment), piece,
			      cursor->segment->offset + skip);
		done += piece;
	}
	return done;
}

/*
 * Copies from a packet into the buffer at @offset, and counts what is copied into @crc unless that
 * is NULL; -EFAULT when either is too short.
 */
int iscsi_init_command_copy_in(struct scsi_cmnd *cmd, struct iscsi_init_cursor *cursor,
			       unsigned int offset, const struct sk_buff *skb,
			       unsigned int skb_offset, unsigned int length, u32 *crc)
{
	int error;

	while (length) {
		unsigned int skip, piece;
		struct bio_vec pages;
		struct iov_iter iter;

		if (!seek(cmd, cursor, offset))
			return -EFAULT;
		skip = offset - cursor->segment_start;
		piece = min(cursor->segment->length - skip, length);
		bvec_set_page(&pages, sg_page(cursor->segment), piece,
			      cursor->segment->offset + skip);
		iov_iter_bvec(&iter, ITER_DEST, &pages, 1, piece);
		if (crc)
			error = skb_copy_and_crc32c_datagram_iter(skb, skb_offset, &iter, piece,
								  crc);
		else
			error = skb_copy_datagram_iter(skb, skb_offset, &iter, piece);
		if (error)
			return error;
		offset += piece;
		skb_offset += piece;
		length -= piece;
	}
	return 0;
}

void iscsi_init_host_set_limits(struct Scsi_Host *shost, unsigned short commands,
				short commands_per_lun, unsigned int sectors)
{
	shost->can_queue = commands;
	shost->cmd_per_lun = commands_per_lun;
	shost->max_sectors = sectors;
	shost->max_lun = U64_MAX;
	shost->max_id = 1;
	shost->max_channel = 0;
	shost->max_cmd_len = sizeof_field(struct scsi_cmnd, cmnd);
	shost->dma_alignment = 0;
	shost->queuecommand_may_block = true;
}

/*
 * The target sorts and merges requests, and a scheduler here would have each request of a lone
 * submitter sent by a worker. Whoever wants one can still choose it.
 */
void iscsi_init_host_unscheduled(struct Scsi_Host *shost)
{
	shost->tag_set.flags |= BLK_MQ_F_NO_SCHED_BY_DEFAULT;
}

void iscsi_init_device_set_timeout(struct scsi_device *sdev, unsigned int seconds)
{
	blk_queue_rq_timeout(sdev->request_queue, seconds * HZ);
}

void iscsi_init_limits_stable(struct queue_limits *limits)
{
	limits->features |= BLK_FEAT_STABLE_WRITES;
}

void **iscsi_init_host_private(struct Scsi_Host *shost)
{
	return shost_priv(shost);
}

/* Returns the private data, with the lock held. */
void **iscsi_init_host_lock(struct Scsi_Host *shost)
{
	spin_lock_irq(shost->host_lock);
	return shost_priv(shost);
}

void iscsi_init_host_unlock(struct Scsi_Host *shost)
{
	spin_unlock_irq(shost->host_lock);
}

/*
 * Waits for who is still in queuecommand or commit_rqs. When a device goes, its commands have
 * ended, but a caller may be on its way out. The host drops the tag set's lock later.
 */
void iscsi_init_device_wait_callers(struct scsi_device *sdev)
{
	blk_mq_wait_quiesce_done(&sdev->host->tag_set);
}

struct Scsi_Host *iscsi_init_host_of_device(struct scsi_device *sdev)
{
	return sdev->host;
}

bool iscsi_init_device_has_driver(struct scsi_device *sdev)
{
	return READ_ONCE(sdev->sdev_gendev.driver);
}

static int is_named(struct device *dev, void *data)
{
	return dev->class && !strcmp(dev->class->name, "scsi_disk");
}

/* The disk driver adds this child once it has chosen a name, before it looks at the disk. */
bool iscsi_init_device_is_named(struct scsi_device *sdev)
{
	return device_for_each_child(&sdev->sdev_gendev, NULL, is_named);
}

struct disk_search {
	dev_t number;
	char *name;
	size_t name_size;
};

static int is_disk(struct device *dev, void *data)
{
	struct disk_search *search = data;

	if (!dev->class || strcmp(dev->class->name, "block"))
		return 0;
	/* Before that it can be opened, but may not have its partitions yet. */
	if (!test_bit(GD_ADDED, &dev_to_disk(dev)->state))
		return 0;
	search->number = dev->devt;
	strscpy(search->name, dev_name(dev), search->name_size);
	return 1;
}

unsigned int iscsi_init_device_identification(struct scsi_device *sdev, u64 *lun, u8 *page,
					      unsigned int size)
{
	const struct scsi_vpd *vpd;

	*lun = sdev->lun;
	guard(rcu)();
	vpd = rcu_dereference(sdev->vpd_pg83);
	if (!vpd || vpd->len <= 0)
		return 0;
	size = min_t(unsigned int, size, vpd->len);
	memcpy(page, vpd->data, size);
	return size;
}

dev_t iscsi_init_disk_of(struct scsi_device *sdev, char *name, size_t name_size)
{
	struct disk_search search = { .name = name, .name_size = name_size };

	device_for_each_child(&sdev->sdev_gendev, &search, is_disk);
	return search.number;
}
