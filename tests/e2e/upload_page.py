"""The upload page as a reader uses it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

UPLOAD_WITHIN_MS = 240_000


class UploadPage:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator("#upload")

    def open(self, url: str) -> UploadPage:
        self.page.goto(url)
        self.root.wait_for()
        return self

    def choose_folder(self, folder: Path) -> None:
        """By the folder button's own file dialog."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Choose a folder").click()
        chooser.value.set_files(folder)

    def choose_files(self, *files: Path) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Choose files").click()
        chooser.value.set_files(list(files))

    def drop(self, *paths: Path) -> None:
        """Drop from the desktop: a real drag, with the entries and handles that Chromium makes of it."""
        box = self.page.locator("#upload-drop").bounding_box()
        assert box is not None
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        session = self.page.context.new_cdp_session(self.page)
        for kind in ("dragEnter", "dragOver"):
            session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **at})
        # Chromium lets go only where the page has said that it takes the drop, and a busy page says so late.
        self.page.locator("#upload-drop[data-over]").wait_for()
        session.send("Input.dispatchDragEvent", {"type": "dragOver", "data": data, **at})
        self.page.wait_for_timeout(300)
        session.send("Input.dispatchDragEvent", {"type": "drop", "data": data, **at})
        session.detach()

    def row(self, path: str) -> Locator:
        return self.page.locator(f'.upload-row[data-path="{path}"]')

    def wait_phase(self, phase: str, timeout_ms: int = UPLOAD_WITHIN_MS) -> None:
        self.page.locator(f'#upload[data-phase="{phase}"]').wait_for(timeout=timeout_ms)

    def phase(self) -> str:
        return self.root.get_attribute("data-phase") or ""

    def wait_sending(self, path: str) -> None:
        expect(self.row(path).locator("[data-state]")).to_contain_text("Sending", timeout=60_000)

    def sent_percent(self, path: str) -> int:
        words = self.row(path).locator("[data-state]").inner_text().split()
        return int(words[-2]) if words[-1:] == ["%"] and words[0] == "Sending" else 0

    def wait_sent(self, path: str, percent: int) -> None:
        """Wait until the file has gone that far; fails when it is complete before it is seen."""
        self.wait_sending(path)
        for _ in range(1200):
            if self.sent_percent(path) >= percent:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{path} did not reach {percent} %")

    def commit(self) -> None:
        self.page.get_by_role("button", name="Commit to").click()

    def wait_committed(self) -> None:
        self.page.locator("#upload-done").wait_for(timeout=UPLOAD_WITHIN_MS)
