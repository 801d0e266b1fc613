"""An iSCSI target that does what a case tells it, and judges all that the initiator sends."""
