"""The lab: DHCP servers, iSCSI targets and virtual machines in a network namespace of their own."""
