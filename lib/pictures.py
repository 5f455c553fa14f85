"""Pictures from strangers: told by their first bytes, measured before they are decoded, and encoded anew.

What comes out holds pixels and nothing else: no EXIF, no place where it was taken, no second file behind the first.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageOps, ImageSequence

MOST_BYTES = 8_000_000
MOST_PIXELS = 25_000_000
MOST_FRAMES = 120
MOST_FRAME_PIXELS = 40_000_000
LONGEST_SIDE = 2400
THUMBNAIL = (320, 240)
SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"))
MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif"}
ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/svg+xml": "svg"}
NO_PICTURE = "This is no PNG, JPEG, WebP or GIF. LUX looks at the content, not at the name."
NO_SVG = "SVG files are not taken: one can carry scripts. Export it as PNG, or let LUX draw the picture."
BROKEN = "This picture is damaged: it cannot be read to its end."


class PictureRefused(ValueError):
    """The bytes are no picture that LUX takes; the text says why in one sentence or two."""


@dataclass(frozen=True)
class Picture:
    """A picture that LUX encoded itself, and a small one of it for grids."""

    media_type: str
    width: int
    height: int
    content: bytes
    thumbnail: bytes


def read_upload(content: bytes) -> Picture:
    """The picture of a file from outside. Raises PictureRefused with the reason, before anything large is decoded."""
    if not content:
        raise PictureRefused("Choose a picture.")
    if len(content) > MOST_BYTES:
        raise PictureRefused(f"This file has {len(content) / 1e6:.1f} MB. At most 8 MB are taken.")
    kind = find_kind(content)
    if kind is None:
        raise PictureRefused(NO_SVG if b"<svg" in content[:4096].lower() else NO_PICTURE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=[kind]) as image:
                return _encode(image, kind)
    except PictureRefused:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise PictureRefused(BROKEN) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise PictureRefused(_too_many()) from error


def find_kind(content: bytes) -> str | None:
    """What a file is by its first bytes: PNG, JPEG, GIF, WEBP, or None."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for start, kind in SIGNATURES if content.startswith(start)), None)


def make_thumbnail(image: Image.Image) -> bytes:
    """A small WebP for grids, on white where the picture lets something through."""
    small = image.convert("RGBA")
    small.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    ground = Image.new("RGB", small.size, "#ffffff")
    ground.paste(small, mask=small.getchannel("A"))
    out = io.BytesIO()
    ground.save(out, "WEBP", quality=72, method=4)
    return out.getvalue()


def picture_of_png(content: bytes) -> Picture:
    """A PNG that LUX made itself, as a picture."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        image.load()
        return Picture("image/png", image.width, image.height, content, make_thumbnail(image))


def _too_many() -> str:
    return f"This picture has too many pixels: at most {MOST_PIXELS // 1_000_000} million are taken."


def _encode(image: Image.Image, kind: str) -> Picture:
    frames = int(getattr(image, "n_frames", 1))
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        raise PictureRefused(_too_many())
    if frames > 1 and kind == "GIF":
        if frames > MOST_FRAMES or pixels * frames > MOST_FRAME_PIXELS:
            raise PictureRefused(f"This animation is too long or too large: at most {MOST_FRAMES} pictures.")
        return _encode_animation(image)
    if frames > 1:
        raise PictureRefused("An animation must be a GIF: mail programs show no other.")
    image.load()
    still = _upright(image)
    has_alpha = "A" in still.getbands() and still.getchannel("A").getextrema() != (255, 255)
    target = "PNG" if kind in ("PNG", "GIF") or has_alpha else "JPEG"
    out = io.BytesIO()
    if target == "PNG":
        still = still if has_alpha else still.convert("RGB")
        still.save(out, "PNG", optimize=True)
    else:
        still.convert("RGB").save(out, "JPEG", quality=85, optimize=True, progressive=True)
    return Picture(MEDIA_TYPES[target], still.width, still.height, out.getvalue(), make_thumbnail(still))


def _upright(image: Image.Image) -> Image.Image:
    """Turned as the camera meant it, in sRGB, at most LONGEST_SIDE long; a new image without the old one's notes."""
    turned = ImageOps.exif_transpose(image)
    mode = "RGBA" if turned.has_transparency_data else "RGB"
    profile = image.info.get("icc_profile")
    if profile and turned.mode in ("RGB", "RGBA", "CMYK"):
        turned = _in_srgb(turned, profile)
    plain = Image.new(mode, turned.size)
    plain.paste(turned.convert(mode))
    plain.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return plain


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """In the colours of screens; a profile that cannot be read is left alone."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return turned or image


def _encode_animation(image: Image.Image) -> Picture:
    frames, durations = [], []
    for frame in ImageSequence.Iterator(image):
        durations.append(min(10_000, max(20, int(frame.info.get("duration", 100)))))
        plain = Image.new("RGBA", frame.size)
        plain.paste(frame.convert("RGBA"))
        frames.append(plain)
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, disposal=2)
    return Picture("image/gif", image.width, image.height, out.getvalue(), make_thumbnail(frames[0]))
