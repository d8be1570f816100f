#!/bin/sh
# Mount all buckets that the account may see below one folder, by their names; then do what the
# image is for: Beam's worker, or the command that is given.
#
#   CLEANMARK_MOUNT_ROOT   where (default /gcs, as `runner.mount_root`)
#   CLEANMARK_BOOT         Beam's entry point (default /opt/apache/beam/boot)
set -eu

mount_root="${CLEANMARK_MOUNT_ROOT:-/gcs}"
boot="${CLEANMARK_BOOT:-/opt/apache/beam/boot}"

if ! grep --quiet " $mount_root fuse" /proc/mounts; then
    mkdir -p "$mount_root"
    # Entries are not remembered: one machine must see at once what another has written. Without a
    # bucket's name, each bucket appears when its name is used.
    gcsfuse --implicit-dirs --metadata-cache-ttl-secs=0 -o allow_other "$mount_root"
fi

case "${1:-}" in
    cleanmark) exec "$@" ;;
    *) exec "$boot" "$@" ;;
esac
