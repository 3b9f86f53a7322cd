"""The sound of a source, in the videos that are written of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from hqtrack.errors import DataError
from hqtrack.video.sources.pictures import open_container

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet

    AudioPacket = Packet[AudioStream]

logger = logging.getLogger(__name__)

COPIED = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
"""Codecs that MP4 takes as they are; sound in others is encoded again."""

ENCODER = "aac"
RATES = frozenset({16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000})
"""Samples per second that the encoder takes."""


class Sound:
    """Sound that is written along with a video's frames; in another codec where MP4 does not take its own.

    Args:
        source: A file with sound.
        output: Gets a stream of sound; nothing was written to it yet.
        begin: Seconds of the source's picture at which the output begins.
    """

    def __init__(self, source: InputContainer, output: OutputContainer, begin: Fraction) -> None:
        self._source, self._output = source, output
        self._stream = source.streams.audio[0]
        picture = source.streams.video[0]
        start = picture.start_time * picture.time_base if picture.start_time and picture.time_base else 0
        self._begin = begin + start
        codec = self._stream.codec_context.name
        self._target: AudioStream
        if codec in COPIED:
            target = output.add_stream_from_template(self._stream)
            assert isinstance(target, av.AudioStream)
            self._target = target
        else:
            logger.warning("sound: %s is encoded again as AAC, since MP4 does not take %s", *(codec, codec))
            rate = self._stream.rate if self._stream.rate in RATES else 48_000
            made = output.add_stream(ENCODER, rate=rate)
            assert isinstance(made, av.AudioStream)
            self._target = made
            self._target.layout = "mono" if self._stream.channels == 1 else "stereo"
        packets = self._copied() if codec in COPIED else self._encoded()
        self._packets: Iterator[tuple[Fraction, AudioPacket]] = packets
        self._next = next(self._packets, None)

    @classmethod
    def join(cls, file: Path, output: OutputContainer, begin: Fraction) -> Sound | None:
        """Add the sound of a file to a video; None where it has none that can be read, with a notice."""
        try:
            source = open_container(file)  # which opens nothing that the file may name
        except DataError:
            return None
        try:
            if source.streams.audio:
                return cls(source, output, begin)
        except (av.error.FFmpegError, ValueError) as error:
            logger.warning("%s: the sound is left out, since it cannot be read: %s", file, error)
        source.close()
        return None

    def write_until(self, time: Fraction) -> None:
        """Write the sound up to a time of the output, in seconds."""
        while self._next is not None and self._next[0] <= time:
            self._output.mux(self._next[1])
            self._advance()

    def finish(self, time: Fraction) -> None:
        """Write what is left up to the end of the output."""
        self.write_until(time)
        self.close()

    def close(self) -> None:
        """Close the source."""
        self._next = None
        self._source.close()

    def _advance(self) -> None:
        try:
            self._next = next(self._packets, None)
        except (av.error.FFmpegError, ValueError) as error:
            logger.warning("the sound ends early, since it cannot be read: %s", error)
            self._next = None

    def _copied(self) -> Iterator[tuple[Fraction, AudioPacket]]:
        """Yield packets as they are, with their times in the output."""
        base = self._stream.time_base or Fraction(1)
        shift = round(self._begin / base)
        for packet in self._source.demux(self._stream):
            if packet.pts is None or packet.dts is None or packet.pts < shift:
                continue
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = self._target
            yield packet.pts * base, packet

    def _encoded(self) -> Iterator[tuple[Fraction, AudioPacket]]:
        """Decode, and encode again."""
        context = self._target.codec_context
        resampler = av.AudioResampler(format=context.format, layout=context.layout, rate=context.sample_rate)
        base = self._stream.time_base or Fraction(1)
        shift = round(self._begin / base)
        for frame in self._source.decode(self._stream):
            if frame.pts is None or frame.pts < shift:
                continue
            frame.pts -= shift
            for ready in resampler.resample(frame):
                yield from self._timed(self._target.encode(ready))
        yield from self._timed(self._target.encode(None))

    def _timed(self, packets: list[AudioPacket]) -> Iterator[tuple[Fraction, AudioPacket]]:
        for packet in packets:
            base = packet.time_base or Fraction(1)
            yield (packet.pts or 0) * base, packet
