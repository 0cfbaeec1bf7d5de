import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

/** A file system that other machines may write to at the same time. */
export interface NetworkDisk {
  readonly type: string;
  readonly mountPoint: string;
}

/**
 * The network file system on which a folder lies, or would lie. Undefined for a disk of this machine, and where the
 * system does not say: Linux alone tells which mount an open folder belongs to, and FUSE's true kind.
 */
export function networkDiskOf(folder: string): NetworkDisk | undefined {
  let mountInfo: string;
  let mountId: string | undefined;
  try {
    const handle = openSync(nearestFolder(folder), "r");
    try {
      mountId = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${handle}`, "latin1"))?.[1];
      mountInfo = readFileSync("/proc/self/mountinfo", "latin1");
    } finally {
      closeSync(handle);
    }
  } catch {
    // No Linux, or no access: who uses the folder then hears of it.
    return undefined;
  }
  return mountId === undefined ? undefined : findNetworkDisk(mountInfo, mountId);
}

/** The folder itself may not be there yet. */
export function nearestFolder(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}

/** @param mountInfo see proc_pid_mountinfo(5): `ID PARENT DEVICE ROOT MOUNT-POINT OPTIONS … - TYPE SOURCE OPTIONS`. */
export function findNetworkDisk(mountInfo: string, mountId: string): NetworkDisk | undefined {
  const line = mountInfo.split("\n").find((one) => one.startsWith(`${mountId} `));
  const [place = "", file = ""] = line?.split(" - ", 2) ?? [];
  const [type = "", source = "", options = ""] = file.split(" ");
  if (!isOnNetwork(type, unescaped(source), options)) return undefined;
  return { type, mountPoint: unescaped(place.split(" ")[4] ?? "") };
}

const networkTypes: ReadonlySet<string> = new Set([
  ...["nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda"],
  ...["ceph", "lustre", "gpfs", "beegfs", "panfs", "orangefs", "pvfs2", "glusterfs", "ocfs2", "gfs2"],
]);

/** Programs behind FUSE that lead to another machine. */
const networkPrograms =
  /^(?:sshfs|glusterfs|ceph|ceph-fuse|juicefs|mfs|moosefs|lizardfs|seaweedfs|s3fs|s3ql|goofys|geesefs|gcsfuse|mountpoint-s3|objectivefs|rclone|davfs|davfs2|curlftpfs|smbnetfs|gvfsd-fuse|blobfuse2?|hdfs|fuse_dfs|cvmfs2|google-drive-ocamlfuse|onedriver)$/;

/** `host:/path`, `user@host:`, `//host/share`, `https://…`, as programs that we have not heard of name their source. */
const leadsAway = /^(?:[\w.-]+@[\w.:-]+:|[\w.-]+:\/|\/\/)/;

function isOnNetwork(type: string, source: string, options: string): boolean {
  if (networkTypes.has(type)) return true;
  // Where no network is below it, 9p is how a virtual machine or a sandbox sees its host; drvfs is Windows' disk in WSL.
  if (type === "9p") return /\btrans=(?:tcp|rdma)\b|\baname=drvfs\b/.test(options);
  const [, program] = /^fuse\.(.+)$/.exec(type) ?? [];
  return (program !== undefined && networkPrograms.test(program)) || (/^fuse\b/.test(type) && leadsAway.test(source));
}

/** The kernel writes blanks, tabs, line ends and backslashes as `\040`. */
function unescaped(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_whole, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}
