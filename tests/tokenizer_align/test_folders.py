"""Private folders: ours alone, or refused."""

from __future__ import annotations

import os
import tempfile

from tokenizer_align.folders import is_private, private_folder


def test_the_users_cache_folder_then_the_temporary_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *names, **options: str(tmp_path / "cache" / names[0]))
    first = private_folder("tables")
    assert first == tmp_path / "cache" / "gcd-decoding" / "tables"
    assert first.stat().st_mode & 0o777 == 0o700
    first.chmod(0o777)
    second = private_folder("tables")
    assert second == tmp_path / "temporary" / f"gcd-decoding-tables-{os.getuid()}"
    assert second.stat().st_mode & 0o777 == 0o700
    second.rmdir()
    second.symlink_to(first)
    assert private_folder("tables") is None


def test_private_folders(tmp_path):
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir(mode=0o700)
    link.symlink_to(folder)
    assert is_private(folder)
    assert not is_private(link)
    for mode in (0o770, 0o702, 0o777):
        folder.chmod(mode)
        assert not is_private(folder)
    folder.chmod(0o755)
    assert is_private(folder)


def test_a_folder_of_somebody_else_is_not_private(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert not is_private(tmp_path)
