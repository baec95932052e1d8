from __future__ import annotations

from pathlib import Path

import pytest

from llmrg.core.errors import ConfigError
from llmrg.core.settings import load_settings


def test_environment_beats_file_and_arguments_beat_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "llmrg.toml").write_text('mind = "attributes"\nmodel = "from-file"\n')
    assert load_settings().mind == "attributes"
    monkeypatch.setenv("LLMRG_MODEL", "from-env")
    assert load_settings().model == "from-env"
    assert load_settings(model="from-call", mind=None).model == "from-call"
    assert load_settings(home=Path("x")).store_url == "sqlite:///x/graphs.db"


def test_a_bad_setting_names_itself_and_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMRG_THREADS", "many")
    with pytest.raises(ConfigError, match=r"threads.*many.*LLMRG_THREADS"):
        load_settings()


def test_the_password_is_never_shown() -> None:
    settings = load_settings(store_password="hunter2-hunter2")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump_json())
