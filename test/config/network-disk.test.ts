import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findNetworkDisk, networkDiskOf } from "../../src/config/network-disk.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** As kernels of several machines write it. */
const mountInfo = String.raw`22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
24 22 0:28 /@home /home rw,relatime shared:29 - btrfs /dev/sda2 rw,ssd,subvol=/@home
41 22 0:51 / /home/u/My\040Files rw,relatime shared:31 - nfs4 192.168.1.10:/export/media rw,vers=4.2,hard,proto=tcp,sec=sys,addr=192.168.1.10
42 22 0:52 / /mnt/docs rw,nosuid,nodev master:2 - cifs //fileserver/dept rw,vers=3.1.1,username=somebody
43 22 0:53 / /mnt/ssh rw,nosuid,nodev,relatime shared:30 - fuse.sshfs somebody@nas:/srv rw,user_id=1000,group_id=1000
44 22 0:54 / /mnt/old rw - nfs nas:/old rw,vers=3
45 22 0:55 / /mnt/v rw,relatime - 9p V: rw,aname=drvfs;path=V:;uid=1000;symlinkroot=/mnt/,cache=0x5,access=client,msize=65536,trans=fd,rfd=3,wfd=3
46 22 0:56 / /mnt/plan9 rw,relatime - 9p 10.0.0.7 rw,access=user,trans=tcp,port=564
47 22 0:57 / /mnt/host rw,relatime - 9p share rw,access=client,trans=virtio
48 22 0:58 / /media/stick rw,nosuid,nodev,relatime - fuseblk /dev/sdb1 rw,user_id=0,group_id=0,allow_other,blksize=4096
49 22 0:59 / /mnt/both rw,relatime - fuse.mergerfs disk1:disk2 rw,user_id=0,group_id=0,allow_other
50 22 0:60 / /mnt/bound rw,relatime - fuse /tmp/bound rw,user_id=0,group_id=0,allow_other
51 22 0:61 / /mnt/news rw,relatime - fuse.newfs https://bucket.example/x rw,user_id=0,group_id=0
52 22 0:62 / /var/lib/docker/overlay2/1/merged rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/c,workdir=/d
53 22 0:63 / /mnt/gluster rw,relatime - fuse.glusterfs gluster:media rw,user_id=0,group_id=0
54 22 0:64 / /tmp rw,nosuid,nodev - tmpfs nfs:/looks-remote rw,size=64k
55 22 0:65 / /lustre rw,flock - lustre 10.0.0.1@o2ib:/scratch rw,flock,lazystatfs
56 22 0:66 / /mnt/shared rw,relatime - virtiofs shared rw
`;

describe("a file system that other machines may write to", () => {
  it.each([
    ["NFS 4, and its mount point as the user wrote it", "41", { type: "nfs4", mountPoint: "/home/u/My Files" }],
    ["NFS 3", "44", { type: "nfs", mountPoint: "/mnt/old" }],
    ["SMB", "42", { type: "cifs", mountPoint: "/mnt/docs" }],
    ["sshfs", "43", { type: "fuse.sshfs", mountPoint: "/mnt/ssh" }],
    ["GlusterFS", "53", { type: "fuse.glusterfs", mountPoint: "/mnt/gluster" }],
    ["Lustre", "55", { type: "lustre", mountPoint: "/lustre" }],
    ["9p over TCP", "46", { type: "9p", mountPoint: "/mnt/plan9" }],
    ["Windows' disks in WSL", "45", { type: "9p", mountPoint: "/mnt/v" }],
    ["a FUSE program whose source is an address", "51", { type: "fuse.newfs", mountPoint: "/mnt/news" }],
  ])("is %s", (_what, mountId, disk) => {
    expect(findNetworkDisk(mountInfo, mountId)).toEqual(disk);
  });

  it.each([
    ["ext4", "22"],
    ["btrfs, by its mount's number and not by one that begins like it", "24"],
    ["a stick through FUSE", "48"],
    ["mergerfs", "49"],
    ["bindfs", "50"],
    ["a container's overlay", "52"],
    ["a tmpfs, whatever it is called", "54"],
    ["the host's disk, as a virtual machine sees it by 9p", "47"],
    ["the same by virtiofs", "56"],
    ["nothing that the kernel does not list", "4"],
  ])("is not %s", (_what, mountId) => {
    expect(findNetworkDisk(mountInfo, mountId)).toBeUndefined();
  });

  it("is found by the mount of the nearest folder that is there, and is not the disk of these tests", (context) => {
    if (process.platform !== "linux") return context.skip("only Linux says which mount a folder is on");
    const folder = temporaryFolder();
    expect(networkDiskOf(join(folder, "not", "there"))).toBeUndefined();
    // A kernel that does not say so would make the check idle.
    expect(readFileSync("/proc/thread-self/fdinfo/0", "latin1")).toMatch(/^mnt_id:\s*\d+$/m);
  });
});
