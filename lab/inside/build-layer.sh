# Installs one role's packages in a chroot: `sh -c "$THIS" build-layer ROOT PACKAGE…`. Reads the sources from ROOT/tmp.
set -eu
root=$1
shift
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp.lists"
mkdir "$root/tmp.lists/lists" "$root/tmp.lists/archives"
for device in null zero full random urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cat /etc/resolv.conf >"$root/etc/resolv.conf"

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root
in_root() { timeout 900 chroot "$root" "$@"; }
apt() {
    in_root apt-get -q -o Dir::Etc::SourceList=/lab.list -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists=/tmp.lists/lists -o Dir::Cache::Archives=/tmp.lists/archives \
        -o Acquire::Languages=none -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any \
        -o Acquire::Retries=3 -o Acquire::Check-Valid-Until=true "$@"
}
apt update
apt install -y --no-install-recommends "$@"

rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf" "$root/lab.list" "$root/lab.conf" "$root"/lab-packages/*.deb
rmdir "$root/lab-packages" 2>/dev/null || true
for device in null zero full random urandom; do umount "$root/dev/$device"; rm -f "$root/dev/$device"; done
umount "$root/tmp.lists" "$root/proc"
rmdir "$root/tmp.lists"
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/*_* "$root"/var/log/apt "$root"/var/log/dpkg.log
rm -rf "$root/usr/share/man" "$root/usr/share/info" "$root/usr/share/locale"
