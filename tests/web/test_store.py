"""Which videos may be opened, uploads, and whose session is whose."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from hqtrack import DataError, InputError
from hqtrack.web.pictures import jpeg
from hqtrack.web.store import Store
from web_server import picture, write_video


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a video and a folder of images in it, and a secret beside it."""
    root = tmp_path / "videos"
    (root / "shots").mkdir(parents=True)
    write_video(root / "clip.mp4", 8)
    for index in range(3):
        cv2.imwrite(str(root / "shots" / f"{index}.png"), picture(index)[..., ::-1])
    write_video(tmp_path / "secret.mp4", 2)
    cv2.imwrite(str(tmp_path / "secret.png"), picture(0))
    return root


@pytest.fixture
def store(root: Path, tmp_path: Path) -> Store:
    return Store(tmp_path / "sessions", root, upload_limit=300_000)


def test_videos_and_folders_of_images_are_offered_and_opened(store: Store) -> None:
    assert store.videos() == ["clip.mp4", "shots"]
    for name, count in (("clip.mp4", 8), ("shots", 3)):
        opened = store.create("me", store.path(name), name)
        assert opened.session.count == len(opened.frames) == count
        shown = cv2.imdecode(np.frombuffer(jpeg(opened, 1), np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(shown[..., ::-1].astype(int) - picture(1)).mean() < 20


@pytest.mark.parametrize(
    "text",
    ["../secret.mp4", "shots/../../secret.mp4", "link.mp4", "folder", "nothing.mp4", "a\0b", "~root", "0"],
)
def test_nothing_outside_the_folder_is_read(store: Store, root: Path, text: str) -> None:
    (root / "link.mp4").symlink_to(root.parent / "secret.mp4")
    (root / "folder").symlink_to(root.parent)
    with pytest.raises(InputError):
        store.path(text)


def test_an_absolute_path_outside_the_folder_is_refused(store: Store, root: Path) -> None:
    assert store.path(str(root / "clip.mp4")) == root / "clip.mp4"
    with pytest.raises(InputError, match="is outside"):
        store.path(str(root.parent / "secret.mp4"))


def test_an_image_that_links_outside_is_refused(store: Store, root: Path) -> None:
    (root / "shots" / "3.png").symlink_to(root.parent / "secret.png")
    with pytest.raises(InputError, match="is outside"):
        store.create("me", store.path("shots"), "shots")


def test_with_a_video_only_that_is_opened(root: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "sessions", root / "clip.mp4", upload_limit=1)
    assert store.videos() == ["clip.mp4"]
    assert store.path("clip.mp4") == root / "clip.mp4"
    with pytest.raises(InputError, match="is outside"):
        store.path("shots")


def test_what_sessions_keep_is_not_read_by_its_path(root: Path) -> None:
    store = Store(root / "sessions", root, upload_limit=300_000)
    name = store.uploads.expect("me")
    upload(store, name, "mine.mp4", (root / "clip.mp4").read_bytes())
    opened = store.create("me", store.uploads.received("me", name), "mine")
    assert store.videos() == ["clip.mp4", "shots"]
    for path in (opened.session.source, "sessions", "sessions/.lock"):
        with pytest.raises(InputError):
            store.path(path)


def test_a_sequence_that_all_sessions_share_stays_where_it_is(store: Store, root: Path) -> None:
    shared = store.folder / "demo-sequences"
    shutil.copytree(root / "shots", shared)
    for _ in range(2):
        assert store.create("me", shared, "demo").session.count == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.mp4", b"not a video"),
        ("empty.mp4", b""),
        ("list.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n../secret.mp4\n#EXT-X-ENDLIST\n"),
        ("concat.avi", b"ffconcat version 1.0\nfile ../secret.mp4\n"),
    ],
)
def test_what_is_no_video_is_told_and_leaves_nothing(
    store: Store, root: Path, name: str, content: bytes
) -> None:
    (root / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        store.create("me", store.path(name), name)
    assert list(store.folder.iterdir()) == []


def test_a_session_is_its_owners_alone(store: Store, root: Path, tmp_path: Path) -> None:
    mine = store.create("me", root / "clip.mp4", "clip").session.folder.name
    again = Store(store.folder, root, upload_limit=1)
    for each in (store, again):
        assert each.get("me", mine).session.title == "clip"
        with pytest.raises(InputError, match="no such session"):
            each.get("you", mine)
        for name in ("..", "../videos", "", "nothing"):
            with pytest.raises(InputError, match="no such session"):
                each.get("me", name)
        assert [name for name, _ in each.of("me")] == [mine]
        assert each.of("you") == []


def test_a_session_whose_video_changed_is_told(store: Store, root: Path) -> None:
    name = store.create("me", root / "clip.mp4", "clip").session.folder.name
    write_video(root / "clip.mp4", 5)
    again = Store(store.folder, root, upload_limit=1)
    with pytest.raises(DataError, match="has changed since the session began"):
        again.get("me", name)
    os.remove(root / "clip.mp4")
    with pytest.raises(DataError, match=r"clip\.mp4"):
        again.get("me", name)


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for place in range(0, len(content), 1000):
        yield content[place : place + 1000]


async def slowly(size: int) -> AsyncIterator[bytes]:
    """Send as several senders do: each a piece, then it is another one's turn."""
    for _ in range(10):
        yield bytes(size // 10)
        await asyncio.sleep(0)


def upload(store: Store, name: str, file_name: str, content: bytes, owner: str = "me") -> None:
    asyncio.run(store.uploads.receive(owner, name, file_name, chunks(content)))


def test_a_video_is_uploaded_and_opened(store: Store, root: Path) -> None:
    name = store.uploads.expect("me")
    upload(store, name, "../../My clip!.MP4", (root / "clip.mp4").read_bytes())
    opened = store.create("me", store.uploads.received("me", name), "My clip!")
    assert opened.session.count == 8
    assert Path(opened.session.source) == opened.session.folder / "upload" / "My_clip_.mp4"
    again = Store(store.folder, root, upload_limit=1)
    assert again.get("me", opened.session.folder.name).session.count == 8


def test_after_a_failed_upload_another_one_is_opened(store: Store, root: Path) -> None:
    name = store.uploads.expect("me")
    upload(store, name, "text.mp4", b"not a video")
    with pytest.raises(DataError, match=r"text\.mp4"):
        store.create("me", store.uploads.received("me", name), "text")
    store.uploads.clear("me", name)
    upload(store, name, "clip.mp4", (root / "clip.mp4").read_bytes())
    assert store.create("me", store.uploads.received("me", name), "clip").session.count == 8


def test_images_are_uploaded_as_frames(store: Store, root: Path) -> None:
    name = store.uploads.expect("me")
    for file in sorted((root / "shots").iterdir()):
        upload(store, name, file.name, file.read_bytes())
    assert store.create("me", store.uploads.received("me", name), "shots").session.count == 3


def test_uploads_are_bounded_and_no_half_file_stays(store: Store, root: Path) -> None:
    name = store.uploads.expect("me")
    upload(store, name, "0.png", bytes(200_000))
    with pytest.raises(InputError, match="MB together"):
        upload(store, name, "1.png", bytes(200_000))
    assert [file.name for file in store.folder.rglob("*") if file.is_file()] == ["0.png"]


@pytest.mark.parametrize("file_name", ["run.sh", "page.html", "..", "", "list.m3u8", ".mp4.txt"])
def test_only_videos_and_images_are_uploaded(store: Store, file_name: str) -> None:
    with pytest.raises(InputError, match="neither a video nor an image"):
        upload(store, store.uploads.expect("me"), file_name, b"x")


def test_several_files_at_once_are_bounded_together(store: Store) -> None:
    name = store.uploads.expect("me")

    async def all_at_once() -> list[BaseException | None]:
        sending = [store.uploads.receive("me", name, f"{index}.png", slowly(200_000)) for index in range(4)]
        return await asyncio.gather(*sending, return_exceptions=True)

    refused = [each for each in asyncio.run(all_at_once()) if each is not None]
    files = list((store.folder / name / "upload").iterdir())
    assert len(refused) + len(files) == 4
    assert all(isinstance(each, InputError) for each in refused)
    assert sum(file.stat().st_size for file in files) <= store.uploads.limit
    assert not list(store.folder.glob("*/*.part"))
    upload(store, name, "fits.png", bytes(store.uploads.limit - 200_000 * len(files)))


def test_names_that_become_equal_keep_all_files(store: Store) -> None:
    name = store.uploads.expect("me")
    names = [
        "shot (1).png",
        "shot [1].png",
        "a.JPG",
        "a.jpg",
        "A.png",
        "a b.png",
        "a+b.png",
        "z" * 90 + ".png",
    ]
    names += [
        "z" * 95 + ".png",
        "\N{GRINNING FACE}.png",
        "\N{CJK UNIFIED IDEOGRAPH-20000}" * 80 + ".png",
        ".png.png",
    ]
    for index, each in enumerate(names):
        upload(store, name, each, bytes([index]))
    files = list((store.folder / name / "upload").iterdir())
    assert sorted(file.read_bytes()[0] for file in files) == list(range(len(names)))
    assert len({file.stem.casefold() for file in files}) == len(names)
    assert max(len(file.name.encode()) for file in files) < 100


def test_an_upload_is_its_owners_and_goes_when_it_is_not_opened(store: Store, root: Path) -> None:
    name = store.uploads.expect("me")
    upload(store, name, "0.png", b"x")
    with pytest.raises(InputError, match="no such upload"):
        upload(store, name, "0.png", b"x", owner="you")
    with pytest.raises(InputError, match="no such upload"):
        store.uploads.received("you", name)
    store.uploads.forget(name)
    assert list(store.folder.iterdir()) == []


def test_a_video_of_one_frame_is_opened(store: Store, root: Path) -> None:
    write_video(root / "one.mp4", 1)
    assert store.create("me", store.path("one.mp4"), "one").session.count == 1


def test_sessions_are_renamed_deleted_and_handed_over_by_their_owner_only(store: Store) -> None:
    opened = store.create("me", store.path("clip.mp4"), "clip.mp4")
    name = opened.session.folder.name
    for refused in (
        lambda: store.rename("you", name, "mine"),
        lambda: store.delete("you", name),
        lambda: store.thumbnail("you", name),
    ):
        with pytest.raises(InputError, match="there is no such"):
            refused()
    assert max(cv2.imread(str(store.thumbnail("me", name))).shape) == 160
    store.rename("me", name, " Cats & <b>dogs</b> ")
    store.rename("me", name, "  ")
    assert [saved.title for _, saved in store.of("me")] == ["Cats & <b>dogs</b>"]
    store.hand_over("me", "you")
    assert not store.of("me")
    assert store.get("you", name).session is opened.session
    store.delete("you", name)
    assert not store.of("you")
    assert store.path("clip.mp4").is_file()
    with pytest.raises(InputError, match="no such session"):
        store.get("you", name)


def test_old_sessions_without_objects_are_cleaned_away(store: Store, root: Path) -> None:
    for title in ("begun", "old", "new"):
        session = store.create("me", store.path("clip.mp4"), title).session
        if title == "begun":
            session.add(0, np.ones(session.size, bool))
        if title != "new":
            os.utime(session.folder / "session.json", (0, 0))
    again = Store(store.folder, root, upload_limit=1)
    assert [saved.title for _, saved in again.of("me")] == ["new", "begun"]


def test_the_secret_of_the_link_outlives_the_server(store: Store, root: Path) -> None:
    assert Store(store.folder, root, upload_limit=1).token() == store.token()
    if os.name == "posix":
        assert (store.folder / ".link").stat().st_mode & 0o077 == 0


def test_an_upload_that_stops_midway_leaves_nothing_and_another_one_follows(store: Store, root: Path) -> None:
    name, content = store.uploads.expect("me"), (root / "clip.mp4").read_bytes()

    async def cut_off() -> AsyncIterator[bytes]:
        yield content[:1000]
        raise ConnectionError("the browser is gone")

    with pytest.raises(ConnectionError):
        asyncio.run(store.uploads.receive("me", name, "clip.mp4", cut_off()))
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []
    upload(store, name, "l" * 300 + ".mp4", content)
    opened = store.create("me", store.uploads.received("me", name), "t" * 300)
    assert (opened.session.count, len(opened.session.title)) == (8, 120)
    opened.session.rename(opened.session.add(0, np.ones(opened.session.size, bool)).key, " n\n" * 300)
    assert len(opened.session.objects[0].title) <= 60
    assert "\n" not in opened.session.objects[0].title


def test_frames_are_made_ahead_of_who_looks_at_one_after_another(store: Store, root: Path) -> None:
    opened = store.create("me", root / "clip.mp4", "clip")
    made = [jpeg(opened, index) for index in (0, 1, 2, 7, 3, 0)]
    assert made[0] == made[5]
    assert [jpeg(opened, index) for index in range(8)] == [jpeg(opened, index) for index in range(8)]
    for _ in range(2):
        with pytest.raises(DataError, match="frame 8"):
            jpeg(opened, 8)
