"""The page in a browser: every figure is there, filters filter, and a phone can show it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from hpconv.report import page
from tests.unit.report.test_dashboard import append, begun, served
from tests.unit.report.test_payload import collected, searched, write

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
FIGURES = ("convergence", "importance", "parallel", "slices", "timeline")
TABLES = ("best", "trials", "failures")
N_TRIALS = 60

pytestmark = pytest.mark.needs_browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    with webdriver.Chrome(options, Service(str(CHROMEDRIVER))) as driver:
        yield driver


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What there is to show of a search."""
    return collected(begun(tmp_path_factory.mktemp("results") / "mine", N_TRIALS))


@pytest.fixture(scope="module")
def path(found: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a search that is over."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page.render(found, [], {"Software": {"Python": "3"}}, live=None))
    return path


@pytest.fixture
def browser(chromium: webdriver.Chrome, path: Path) -> Iterator[webdriver.Chrome]:
    """A browser that shows the page on a desk, and had nothing to complain of in the end."""
    show(chromium, path.as_uri())
    yield chromium
    assert complaints(chromium) == []


def show(browser: webdriver.Chrome, url: str, width: int = 1280) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(url)


def complaints(browser: webdriver.Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]


def count(browser: webdriver.Chrome) -> int:
    """The number of trials that pass the filters, as the page says it."""
    return int(browser.find_element(By.ID, "count").text.split()[0])


def trials(browser: webdriver.Chrome) -> list[int]:
    """The tids in the table of trials."""
    cells = browser.find_elements(By.CSS_SELECTOR, "#trials tbody td:first-child")
    return [int(cell.text) for cell in cells]


def pale(browser: webdriver.Chrome) -> int:
    """The number of slices in which trials are filtered out."""
    return len(browser.find_elements(By.CSS_SELECTOR, "#slices .faded[d^=M]"))


def press(browser: webdriver.Chrome, key: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f'[data-key="{key}"]').click()


def drawn(browser: webdriver.Chrome) -> None:
    """Wait for what a filter has changed to be drawn."""
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


def test_figures_are_drawn_and_have_labels(browser: webdriver.Chrome) -> None:
    for section in FIGURES:
        figure = browser.find_element(By.CSS_SELECTOR, f"#{section} svg")
        assert figure.size["height"] >= 100, section
        assert figure.get_attribute("aria-label"), section
    for section in TABLES:
        assert browser.find_elements(By.CSS_SELECTOR, f"#{section} tbody tr"), section
    assert browser.find_elements(By.CSS_SELECTOR, "#summary .tile")
    assert ", 5 stopped at a rung, 9 failed" in browser.find_element(By.ID, "summary").text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_needs_no_horizontal_scrolling(
    browser: webdriver.Chrome, path: Path, scheme: str
) -> None:
    wanted = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [wanted]})
    show(browser, path.as_uri(), width=390)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    color = "return getComputedStyle(document.body).backgroundColor"
    assert (browser.execute_script(color) == "rgb(255, 255, 255)") == (scheme == "light")


def test_dragging_along_an_axis_filters_lines_slices_and_trials(browser: webdriver.Chrome) -> None:
    assert pale(browser) == 0
    axis = browser.find_element(By.CSS_SELECTOR, '#parallel [data-key="axis error"] .brush')
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", axis)
    drag = ActionChains(browser, duration=10).move_to_element_with_offset(axis, 0, -20)
    drag.click_and_hold().move_by_offset(0, -30).move_by_offset(0, -30).release().perform()
    drawn(browser)
    assert 0 < count(browser) < N_TRIALS
    assert len(trials(browser)) == min(15, count(browser))
    assert pale(browser) > 0
    press(browser, "reset")
    assert count(browser) == N_TRIALS


def test_arrow_keys_on_an_axis_filter(browser: webdriver.Chrome) -> None:
    axis = browser.find_element(By.CSS_SELECTOR, '#parallel [data-key="axis error"]')
    browser.execute_script("arguments[0].focus()", axis)
    ActionChains(browser).send_keys(Keys.ARROW_DOWN * 8).perform()
    assert 0 < count(browser) < N_TRIALS
    drawn(browser)  # anew, and still in focus
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert count(browser) == N_TRIALS


def test_error_source_and_outcome_filter(browser: webdriver.Chrome, found: dict[str, Any]) -> None:
    press(browser, "stopped")
    assert count(browser) == N_TRIALS - found["stopped"] < N_TRIALS
    press(browser, "stopped")
    press(browser, "random")
    assert count(browser) == sum(trial["source"] != "random" for trial in found["trials"])
    press(browser, "failed")
    browser.find_element(By.CSS_SELECTOR, '[data-key="highest"]').send_keys("15", Keys.ENTER)
    drawn(browser)
    passing = [
        trial["tid"]
        for trial in found["trials"]
        if trial["source"] == "tpe" and trial["error"] is not None and trial["error"] <= 0.15
    ]
    assert count(browser) == len(passing)
    assert set(trials(browser)) <= set(passing)


def test_pointer_on_a_dot_shows_its_trial(browser: webdriver.Chrome) -> None:
    figure = browser.find_element(By.CSS_SELECTOR, "#convergence svg")
    browser.execute_script("arguments[0].focus()", figure)
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    said = browser.find_element(By.ID, "tip").text
    assert said.startswith("trial 0: too_slow")
    assert "<b>it took longer" in said  # as text


def test_importance_can_be_downloaded_as_csv(
    browser: webdriver.Chrome, found: dict[str, Any]
) -> None:
    link = browser.find_element(By.CSS_SELECTOR, "#importance a[download]")
    head, *lines = unquote(str(link.get_attribute("href")).partition(",")[2]).splitlines()
    labels = [row["label"] for row in found["importance"]["rows"]]
    assert head == "label,importance,deviation,n"
    assert [line.split(",")[0] for line in lines] == labels


def test_choices_have_names_on_axes(browser: webdriver.Chrome, tmp_path: Path) -> None:
    payload = collected(write(tmp_path / "mine", searched(40)), lambda *_: None)
    (tmp_path / "page.html").write_text(page.render(payload, [], {}, live=None))
    show(browser, (tmp_path / "page.html").as_uri())
    for section in ("parallel", "slices"):
        texts = browser.find_elements(By.CSS_SELECTOR, f"#{section} svg text")
        assert "lpool_alpha depth 1" in {text.text for text in texts}, section
    scrolled = browser.find_element(By.CSS_SELECTOR, "#parallel .scroll")
    assert scrolled.get_property("scrollWidth") == scrolled.get_property("clientWidth")


@pytest.mark.parametrize("n_trials", [0, 1, 5])
def test_page_of_few_trials_is_drawn(
    browser: webdriver.Chrome, tmp_path: Path, n_trials: int
) -> None:
    early = collected(begun(tmp_path / "mine", n_trials))
    (tmp_path / "page.html").write_text(page.render(early, [], {}, live=None))
    show(browser, (tmp_path / "page.html").as_uri())
    importance = browser.find_element(By.ID, "importance").text
    assert "Too few trials have succeeded" in importance


def test_payload_text_cannot_close_the_script_element(found: dict[str, Any]) -> None:
    evil = found | {"experiment": "</script><script>alert(1)</script>"}
    text = page.render(evil, [], {}, live=None)
    assert "<script>alert" not in text
    begin = text.index(">", text.index('id="payload"')) + 1
    assert json.loads(text[begin : text.index("</script>", begin)]) == evil


def test_page_of_3000_trials_is_below_5_megabytes(tmp_path: Path) -> None:
    many = collected(begun(tmp_path / "mine", 3000), lambda *_: None)
    assert len(page.render(many, [], {}, live=None).encode()) < 5e6


def test_report_makes_no_network_requests(path: Path) -> None:
    text = path.read_text()
    assert "default-src 'none'" in text
    assert "connect-src" not in text


def test_dashboard_redraws_and_keeps_filters_and_open_details(
    chromium: webdriver.Chrome, tmp_path: Path
) -> None:
    with served(begun(tmp_path / "mine", 12)) as server:
        show(chromium, server.url)
        chromium.execute_script("window.loaded = 'once'")
        press(chromium, "failed")
        press(chromium, "values 1")
        before = count(chromium)
        append(tmp_path / "mine", 12, 13)
        drawing = [StaleElementReferenceException]
        wait = WebDriverWait(chromium, 30, 0.05, drawing)
        wait.until(lambda browser: count(browser) == before + 2)
        assert chromium.execute_script("return window.loaded") == "once"
        assert chromium.find_element(By.CSS_SELECTOR, '[data-key="values 1"]').get_attribute("open")
        assert not chromium.find_element(By.CSS_SELECTOR, '[data-key="failed"]').is_selected()
        assert complaints(chromium) == []
        chromium.get("about:blank")
