# Boots one host: `sh -c "$THIS" boot-host wait NAME ADDRESS/BITS GATEWAY ROOT CGROUP`.
# First run (wait): in new mount, uts, ipc, network and cgroup namespaces; says "ready" so that the nursery can plug the
# cable in, and waits for a line. Second run (enter): as PID 1 of a new pid namespace; builds the host's view and becomes
# systemd.
set -eu
stage=$1 name=$2 address=$3 gateway=$4 root=$5

if [ "$stage" = wait ]; then
    echo ready
    read -r _
    shift
    exec unshare --pid --fork --kill-child=KILL sh -c "$BOOT_HOST" boot-host enter "$@"
fi

mount --make-rprivate /
mount --rbind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,size=4m tmpfs dev
mount -t tmpfs -o mode=755,size=64m tmpfs run
mount -t tmpfs -o mode=1777,size=256m tmpfs tmp
for device in null zero full random urandom tty; do
    : >"dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,size=256m tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
# A boot id of its own at each boot: Ansible's reboot module waits until it has changed.
cat /proc/sys/kernel/random/uuid >dev/.boot_id
mount --bind dev/.boot_id proc/sys/kernel/random/boot_id

hostname "$name"
ip link set lo up
ip addr add "$address" dev host0
ip link set host0 up
ip route add default via "$gateway"

mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old
exec env -i container=suture-lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --log-target=null --show-status=no
