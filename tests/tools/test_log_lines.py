"""The page about the log is read as people read it."""

from tests.tools.log_lines import documented, undocumented

AT = "2026-01-02T03:04:05.678Z"


def test_events_of_the_page_are_found_in_its_tables() -> None:
    assert {"payment.<status>", "webhook.refused", "log.dropped"} <= documented()
    assert "payment" not in {name for name in documented() if "." in name}
    assert len({name for name in documented() if "." in name}) > 60


def test_what_is_not_on_the_page_or_is_no_line_is_shown() -> None:
    good = f"{AT} info payment.confirmed payment=x seq=1\n    File x\n"
    assert undocumented(good) == []
    bad = [f"{AT} info nothing.such x=1", "no line at all", f"{AT} info payment"]
    assert undocumented(good + "\n".join(bad)) == bad
