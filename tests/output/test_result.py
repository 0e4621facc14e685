"""A result, read by somebody else: digest, rules and tables of the contract, with h5py."""
import json
import os
import shutil
import subprocess

from result_reader import *

KEY = "0123456789abcdef" * 4
RANKS = (1, 2, 3, 4)


def prepare():
    make_input("tx.csv", 3000, regions=5, dirty_share=0.002)
    with open("key", "w", encoding="ascii") as file:
        file.write(KEY)
    os.chmod("key", 0o600)
    make_config("plain.yaml", "tx.csv")
    make_config("keyed.yaml", "tx.csv", "keyed")
    for kind in ("plain", "keyed"):
        for ranks in RANKS:
            done("run", "-q", "-c", kind + ".yaml", "-o", f"{kind}{ranks}.h5", "--force", ranks=ranks)


def the_digest_is_as_defined():
    for kind in ("plain", "keyed"):
        seen = set()
        for ranks in RANKS:
            with h5py.File(f"{kind}{ranks}.h5") as file:
                assert digest(file, False) == text(file, "content_digest")
                assert digest(file, True) == text(file["provenance"], "checksum")
                seen.add(text(file, "content_digest"))
                for path, item in objects(file).items():
                    if isinstance(item, h5py.Dataset):
                        assert text(item, "checksum") == xxh3_128(block_hashes(item)).hex(), path
        assert len(seen) == 1, seen


def the_rules_hold():
    with h5py.File("keyed3.h5") as file:
        assert raw_attribute(file, "complete") == ("i8", (1).to_bytes(8, "little"))
        assert text(file, "schema_name") == "strata"
        assert text(file, "as_of") == "2025-01-01"
        assert len(text(file, "window_start")) == 10
        assert "h5py" in text(file, "how_to_load")
        for path, item in objects(file).items():
            assert not path.startswith("/provenance") or path == "/provenance" or True
            if isinstance(item, h5py.Group):
                lengths = {len(c) for c in item.values() if isinstance(c, h5py.Dataset)}
                assert len(lengths) <= 1, path
                for name in item:
                    assert isinstance(item.get(name, getlink=True), h5py.HardLink)
                continue
            assert item.ndim == 1 and item.dtype.kind in "ifS", path
            assert text(item, "long_name"), path
            text(item, "units")
            info = h5py.h5o.get_info(item.id)
            properties = item.id.get_create_plist()
            assert not properties.get_obj_track_times(), path
            if len(item):
                assert item.chunks == (min(len(item), BLOCK),), path
                assert item.fletcher32 and item.shuffle and item.compression == "gzip", path
                assert item.compression_opts == 4
            if item.dtype.kind == "S":
                kind = item.id.get_type()
                assert kind.get_strpad() == h5py.h5t.STR_NULLPAD
                assert kind.get_cset() == h5py.h5t.CSET_UTF8
            assert info.rc == 1


def the_tables_are_those_of_the_contract():
    tables = {
        "users": "user_key region_code first_day last_day recency_days frequency monetary aov "
                 "monthly_mean max_order r_score f_score m_score composite composite_std "
                 "segment_code cluster_id cluster_distance",
        "segments": "code users share expected_share revenue revenue_share mean_recency_days "
                    "mean_frequency mean_monetary",
        "clusters": "cluster_id users inertia recency_days_center recency_days_center_scaled "
                    "frequency_center frequency_center_scaled monetary_center "
                    "monetary_center_scaled",
        "segment_cluster": "segment_code cluster_id users",
        "region_segment": "region_code segment_code users",
        "tests": "sample grouping variable test statistic df1 df2 log10_p p_value "
                 "log10_p_adjusted effect_name effect_size significant n",
        "iterations": "restart iteration inertia moved",
        "quality": "rule source rows share action",
        "gates": "name value threshold passed",
        "model": "feature center scale",
        "model/centroids": "cluster_id recency_days frequency monetary",
        "dictionary/segment_code": "code name description",
        "dictionary/region_code": "code name description",
        "provenance/inputs": "path bytes rows digest",
        "provenance/timings": "phase min mean max",
    }
    with h5py.File("keyed2.h5") as file:
        for table, columns in tables.items():
            missing = set(columns.split()) - set(file[table])
            assert not missing, (table, missing)
        for name in "transform scale k init seed inertia iterations converged exact".split():
            raw_attribute(file["model"], name)
        for name in ("config_yaml", "command_line", "variant", "versions", "ranks", "hosts",
                     "slurm_job_id"):
            raw_attribute(file["provenance"], name)
        users, keys = file["users"], file["users/user_key"][:]
        assert users["user_key"].dtype == "S32"
        assert list(keys) == sorted(keys) and len(set(keys)) == len(keys)
        assert users["segment_code"].dtype == "<i2" and users["recency_days"].dtype == "<i4"
        assert users["monetary"].dtype == "<f8"
        # the aggregates against the rows
        codes = users["segment_code"][:]
        for code, n, revenue in zip(file["segments/code"][:], file["segments/users"][:],
                                    file["segments/revenue"][:]):
            assert n == (codes == code).sum()
            assert abs(revenue - users["monetary"][:][codes == code].sum()) < 1e-6 * max(1, abs(revenue))
        clusters = users["cluster_id"][:]
        for k, n in zip(file["clusters/cluster_id"][:], file["clusters/users"][:]):
            assert n == (clusters == k).sum()
        # scaled centroids times scale plus center, back through the transform
        center, scale = file["model/center"][:], file["model/scale"][:]
        names = [name.decode() for name in file["model/feature"][:]]
        for f, name in enumerate(names):
            scaled = file[f"clusters/{name}_center_scaled"][:]
            assert (scaled == file[f"model/centroids/{name}"][:]).all()
            raw = numpy.expm1(scaled * scale[f] + center[f])
            assert numpy.allclose(raw, file[f"clusters/{name}_center"][:], rtol=1e-9, atol=1e-9)


def small_cells_cannot_be_told():
    for name, rows, columns in (("segment_cluster", "segment_code", "cluster_id"),
                                ("region_segment", "region_code", "segment_code")):
        with h5py.File("keyed1.h5") as file, h5py.File("plain1.h5") as open_file:
            shown, true = file[name]["users"][:], open_file[name]["users"][:]
            assert (true >= 0).all() and (shown < 10).any() or (true >= 10).all()
            assert set(shown[shown < 10]) <= {-1}, name
            assert (shown[true < 10] == -1).all()
            assert ((shown == true) | (shown == -1)).all()
            for axis in (rows, columns):
                for code in set(file[name][axis][:]):
                    line = file[name][axis][:] == code
                    hidden = line & (shown == -1)
                    assert hidden.sum() != 1, (name, axis, code)
                    assert hidden.sum() == 0 or true[hidden].sum() >= 10 or hidden.sum() == line.sum()


def nothing_identifies_anybody():
    with open("keyed4.h5", "rb") as file:
        data = file.read()
    with h5py.File("plain1.h5") as file:
        ids = [key.rstrip(b"\0") for key in file["users/user_key"][:50]]
    with h5py.File("keyed4.h5") as file:
        everything = b"".join(item[:].tobytes() for item in objects(file).values()
                              if isinstance(item, h5py.Dataset))
    assert KEY.encode() not in data and KEY.encode() not in everything
    assert not any(len(i) > 5 and i in everything for i in ids)


def the_configuration_reproduces_it():
    with open("again.yaml", "w", encoding="utf-8") as file:
        file.write(done("inspect", "--config", "plain2.h5"))
    done("run", "-q", "-c", "again.yaml", "-o", "again.h5", "--force", ranks=2)
    with h5py.File("again.h5") as again, h5py.File("plain2.h5") as first:
        assert text(again, "content_digest") == text(first, "content_digest")


def commands_read_it():
    said = done("verify", "plain3.h5")
    with h5py.File("plain3.h5") as file:
        assert text(file, "content_digest") in said and said.count("\n") == 1
    screen = done("inspect", "plain3.h5")
    assert max(len(line) for line in screen.splitlines()) <= 100 or "/" in screen
    assert "north_star" in screen and "Gates" in screen
    summary = json.loads(done("inspect", "--json", "plain3.h5"))
    assert summary["users"] == sum(row["users"] for row in summary["segments"])
    assert summary["users"] == sum(row["users"] for row in summary["clusters"])
    if shutil.which("h5dump"):
        for path in ("/segments", "/users/user_key", "/tests", "/"):
            option = "-A" if path == "/" else "-d" if "key" in path else "-g"
            arguments = ["h5dump", "-A", "plain3.h5"] if path == "/" else \
                ["h5dump", option, path, "plain3.h5"]
            subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def an_existing_result_stays():
    before = open("plain1.h5", "rb").read()
    finished = strata("run", "-q", "-c", "plain.yaml", "-o", "plain1.h5", ranks=2)
    assert finished.returncode == 2 and "--force" in finished.stderr, finished
    finished = strata("run", "-q", "-c", "plain.yaml", "-o", "plain1.h5", "--force", ranks=3,
                      env={"STRATA_FAULT": "output.damage"})
    assert finished.returncode == 8, (finished.returncode, finished.stderr)
    assert open("plain1.h5", "rb").read() == before


def a_killed_rank_leaves_no_result():
    for point in ("output.write:kill:2:1", "output.close:kill:0:1", "io.fsync:kill:0:1",
                  "output.finish:kill", "output.write:segv:0:0", "output.write:exit:1:1",
                  "io.rename:kill"):
        finished = strata("run", "-q", "-c", "plain.yaml", "-o", "killed.h5", ranks=2,
                          env={"STRATA_FAULT": point})
        assert finished.returncode != 0, point
        assert not os.path.exists("killed.h5"), point
    left = [name for name in os.listdir(".") if name.startswith(".killed.h5.")]
    assert left, "the killed jobs leave their partial files"
    done("run", "-q", "-c", "plain.yaml", "-o", "killed.h5", ranks=2)
    assert not [name for name in os.listdir(".") if name.startswith(".killed.h5.")]
    done("verify", "killed.h5")
    os.remove("killed.h5")


prepare()
run_all([the_digest_is_as_defined, the_rules_hold, the_tables_are_those_of_the_contract,
         small_cells_cannot_be_told, nothing_identifies_anybody, the_configuration_reproduces_it,
         commands_read_it, an_existing_result_stays, a_killed_rank_leaves_no_result])
