"""A writer of field-coded H.264 (PAFF), which x264 cannot write: each field is a picture of its own (I_PCM)."""

from fractions import Fraction

import av
import numpy as np

SIDE = 16  # of a macroblock


class Bits:
    """Bits as ITU-T H.264 writes them (7.2, 9.1)."""

    def __init__(self):
        self.text = ""

    def put(self, value, count=1):
        """A number of so many bits."""
        self.text += f"{value:0{count}b}"

    def golomb(self, *values):
        """Unsigned Exp-Golomb codes."""
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code

    def align(self):
        """Zeros up to the next byte."""
        self.text += "0" * (-len(self.text) % 8)

    def unit(self, header, filling=b""):
        """A NAL unit with a start code, of these bits and whole bytes behind them."""
        self.align()
        content = int(self.text, 2).to_bytes(len(self.text) // 8, "big") + filling
        escaped = bytearray()
        for byte in content:
            if byte <= 3 and escaped[-2:] == b"\0\0":
                escaped.append(3)
            escaped.append(byte)
        return b"\0\0\0\1" + bytes([header]) + bytes(escaped)


def sequence(width, height):
    """The parameter sets of pictures whose fields are coded apart."""
    sps = Bits()
    for byte in (77, 0, 30):  # main profile, level 3
        sps.put(byte, 8)
    sps.golomb(0, 0, 0, 4, 1)  # numbers of 4 bits for frames and 8 for their order
    sps.put(0)
    sps.golomb(width // SIDE - 1, height // (2 * SIDE) - 1)
    sps.text += "0010" + "0" + "1"  # may have fields; no MBAFF; direct inference; neither cropped nor described
    pps = Bits()
    pps.golomb(0, 0)
    pps.put(0, 2)
    pps.golomb(0, 0, 0)
    pps.put(0, 3)
    pps.golomb(0, 0, 0)
    pps.text += "100" + "1"  # slices say how they are deblocked
    return sps.unit(0x67) + pps.unit(0x68)


def field(luma, number, is_lower, is_second):
    """A field of gray (h, w) uint8 of a frame of this number, as a slice."""
    is_first = number == 0 and not is_second
    head = Bits()
    head.golomb(0, 7, 0)
    head.put(min(number, 1), 4)
    head.text += f"1{int(is_lower)}"
    if is_first:
        head.golomb(0)
    head.put((2 * number + is_second) % 256, 8)
    if number == 0:
        head.text += "00" if is_first else "0"
    head.golomb(0, 1)  # not deblocked
    blocks = [
        luma[y : y + SIDE, x : x + SIDE].tobytes() + bytes([128]) * (SIDE * SIDE // 2)
        for y in range(0, luma.shape[0], SIDE)
        for x in range(0, luma.shape[1], SIDE)
    ]
    head.golomb(25)  # I_PCM
    later = bytes([0b00001101, 0b00000000])  # its code, 000011010, and zeros up to the next byte
    return head.unit(0x65 if is_first else 0x21 if number == 0 else 0x01, later.join(blocks) + b"\x80")


def write_field_coded(path, pictures, upper_first=True):
    """A film of woven gray pictures (H, W) uint8, at 25 per second; H and W are multiples of 32."""
    raw = path.with_suffix(".h264")
    height, width = pictures[0].shape
    rows = (0, 1) if upper_first else (1, 0)
    units = [
        field(np.ascontiguousarray(picture[row::2]), number, row == 1, second)
        for number, picture in enumerate(pictures)
        for second, row in enumerate(rows)
    ]
    raw.write_bytes(sequence(width, height) + b"".join(units))
    with av.open(str(raw)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for number in range(len(pictures)):
            packet = av.Packet(units[2 * number] + units[2 * number + 1])
            packet.pts = packet.dts = number
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, number == 0
            container.mux(packet)
    return path
