#!/bin/bash
# A disk that is really full, at 1 to 4 ranks: noticed before anything is written (exit 6); and when that
# check is left out, noticed afterwards, since a full disk is silent below HDF5. Needs root, to mount a
# small tmpfs in a name space of its own.
set -u
if [ "${1:-}" != inside ]; then
    if ! unshare -m mount -t tmpfs none /mnt 2>/dev/null; then
        echo "skipped: no rights to mount a small file system"
        exit 77
    fi
    exec unshare -m --propagation private bash "$0" inside
fi

bad() {
    echo "$*"
    exit 1
}

"$STRATA" generate --users 20000 -o tx.csv --layout minimal --no-truth --force -q || bad "generate"
cat >plain.yaml <<END
config_version: 1
input: {files: ["$PWD/tx.csv"], columns: {user: user_id, time: order_date, amount: amount}}
privacy: {mode: plain}
cluster: {k: 2, restarts: 1}
END
mkdir -p full
mount -t tmpfs -o size=700k none full || bad "mount"

for ranks in 1 2 3 4; do
    echo "older" >full/out.h5
    timeout 60 "$STRATA_MPIEXEC" -n $ranks "$STRATA" run -q -c plain.yaml -o full/out.h5 --force 2>said
    code=$?
    [ $code -eq 6 ] || bad "$ranks ranks, checked: exit $code, $(cat said)"
    grep -q "free\|room" said || bad "$ranks ranks: $(cat said)"
    [ "$(cat full/out.h5)" = older ] || bad "$ranks ranks: the older file was touched"
    [ "$(ls -A full)" = out.h5 ] || bad "$ranks ranks: left over: $(ls -A full)"

    STRATA_FAULT=output.reserve:short timeout 60 "$STRATA_MPIEXEC" -n $ranks "$STRATA" run -q \
        -c plain.yaml -o full/out.h5 --force 2>said
    code=$?
    echo "$ranks ranks, not checked before: exit $code: $(grep -v '^--\|^$' said | tail -1)"
    case $code in 6 | 7 | 8) ;; *) bad "$ranks ranks, not checked: exit $code, $(cat said)" ;; esac
    [ "$(cat full/out.h5)" = older ] || bad "$ranks ranks: the older file was touched"
    [ "$(ls -A full)" = out.h5 ] || bad "$ranks ranks: left over: $(ls -A full)"
done

# with room it works, and nothing that was reserved stays taken
mount -o remount,size=16m full || bad "remount"
"$STRATA_MPIEXEC" -n 3 "$STRATA" run -q -c plain.yaml -o full/out.h5 --force || bad "with room"
"$STRATA" verify full/out.h5 || bad "verify"
taken=$(du -k full/out.h5 | cut -f1)
size=$(($(stat -c %s full/out.h5) / 1024))
[ "$taken" -le $((size + 64)) ] || bad "$taken KiB are taken by a file of $size KiB"
umount full
