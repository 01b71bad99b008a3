package localdir

// networkFileSystem names the network or cluster file system that statfs(2) on
// Linux reports as magic, and returns "" for any other. The numbers are from
// linux/magic.h and the file systems' own sources.
func networkFileSystem(magic uint32) string {
	switch magic {
	case 0x6969:
		return "NFS"
	case 0x517b:
		return "SMB"
	case 0xff534d42:
		return "CIFS"
	case 0xfe534d42:
		return "SMB 2"
	case 0x01021997:
		return "9p"
	case 0x5346414f, 0x6b414653:
		return "AFS"
	case 0x73757245:
		return "Coda"
	case 0x564c:
		return "NCP"
	case 0x00c36400:
		return "Ceph"
	case 0x0bd00bd0:
		return "Lustre"
	case 0x47504653:
		return "GPFS"
	case 0x01161970:
		return "GFS2"
	case 0x7461636f:
		return "OCFS2"
	case 0x65735546: // sshfs, GlusterFS and others; local ones can't be told from them
		return "FUSE, which may be one"
	}
	return ""
}
