# Makes a fresh Debian root into the base of the fleet: `sh finish-base.sh ROOT` (a mmdebstrap customize hook).
set -eu
root=$1

# dbus and logind stay: `shutdown -r` (Ansible's reboot) asks logind and fails without it.
# Each host gets its own identity when it is first booted.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"

# Timers that patch behind our back and hold apt's lock; mounts that a user namespace may not make; services that want a
# kernel of their own.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount dev-hugepages.mount dev-mqueue.mount \
    sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount \
    systemd-networkd.service systemd-resolved.service systemd-timesyncd.service systemd-modules-load.service \
    systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service \
    systemd-binfmt.service kmod-static-nodes.service modprobe@.service getty.target \
    console-getty.service getty@.service systemd-firstboot.service systemd-pcrphase.service \
    prometheus-node-exporter-apt.timer prometheus-node-exporter-nvme.timer prometheus-node-exporter-mellanox-hca-temp.timer \
    prometheus-node-exporter-ipmitool-sensor.timer prometheus-node-exporter-smartmon.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# rsyslog without the kernel's log: it is the machine's, not the host's.
if [ -f "$root/etc/rsyslog.conf" ]; then
    sed -i 's/^module(load="imklog")/#&/' "$root/etc/rsyslog.conf"
fi
# The journal in memory, small: eleven hosts share one machine.
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/ssh/sshd_config.d" "$root/root/.ssh"
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\nReadKMsg=no\n' >"$root/etc/systemd/journald.conf.d/lab.conf"
printf 'PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\nX11Forwarding no\nMaxStartups 100\nMaxSessions 100\n' \
    >"$root/etc/ssh/sshd_config.d/lab.conf"
chmod 700 "$root/root/.ssh"
# dpkg does not wait for the disk after each file: eleven hosts share one, and its power is not theirs to lose.
mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/lab"
# The node exporter: what a practice host has. Collectors that read the machine's hardware only cost time.
printf 'ARGS="--collector.disable-defaults --collector.cpu --collector.meminfo --collector.loadavg --collector.filesystem --collector.netdev --collector.uname --collector.time --collector.stat --collector.textfile --collector.textfile.directory=/var/lib/prometheus/node-exporter"\n' \
    >"$root/etc/default/prometheus-node-exporter"
mkdir -p "$root/var/lib/prometheus/node-exporter"

# Where packages come from is Suture's to say.
rm -rf "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/*
rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root/etc/resolv.conf" "$root/etc/hostname"
rm -rf "$root/usr/share/man" "$root/usr/share/info" "$root/usr/share/locale" "$root"/var/cache/apt/*
mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial"
