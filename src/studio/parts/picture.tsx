/** @file Pictures: of a group, and of a sheet that holds many. */

import { useEffect, useState } from 'preact/hooks';

/** Pictures up to this side are shown pixel by pixel, not blurred. */
const SMALL = 128;

interface PictureProps {
  readonly src: string;
  readonly alt: string;
  readonly size: readonly [width: number, height: number];
  readonly class?: string;
}

/** A picture that fills its place. */
export function Picture({ src, alt, size: [width, height], class: more = '' }: PictureProps) {
  const crisp = Math.max(width, height) <= SMALL ? ' crisp' : '';
  return (
    <img
      class={`picture${crisp} ${more}`}
      src={src}
      alt={alt}
      width={width}
      height={height}
      decoding="async"
      draggable={false}
    />
  );
}

/** Where a picture lies on its sheet, in pixels. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A sheet that has been loaded. */
export interface Sheet {
  readonly src: string;
  readonly width: number;
  readonly height: number;
}

/** Loads a sheet. Until it is there, the one before it is returned. */
export function useSheet(src: string | null): Sheet | null {
  const [loaded, setLoaded] = useState<Sheet | null>(null);
  useEffect(() => {
    if (src === null) return;
    const image = new Image();
    image.onload = () => setLoaded({ src, width: image.naturalWidth, height: image.naturalHeight });
    image.src = src;
    return () => {
      image.onload = null;
    };
  }, [src]);
  return loaded;
}

interface SheetPictureProps {
  readonly sheet: Sheet;
  readonly place: Place;
  /** Empty where what is around it says what it is. */
  readonly alt: string;
}

/** One picture of a sheet, which fills its place. */
export function SheetPicture({ sheet, place: { x, y, width, height }, alt }: SheetPictureProps) {
  const percent = (offset: number, whole: number, part: number) =>
    whole === part ? '0%' : `${(100 * offset) / (whole - part)}%`;
  const style = {
    aspectRatio: `${width} / ${height}`,
    backgroundImage: `url("${sheet.src}")`,
    backgroundSize: `${(100 * sheet.width) / width}% ${(100 * sheet.height) / height}%`,
    backgroundPosition: `${percent(x, sheet.width, width)} ${percent(y, sheet.height, height)}`,
  };
  const crisp = width <= SMALL ? ' crisp' : '';
  const named = alt === '' ? {} : { role: 'img' as const, 'aria-label': alt };
  return <div class={`picture window${crisp}`} style={style} {...named} />;
}

/** The place of a cell of a grid whose cells are of one size. */
export function cellOf(
  sheet: Sheet,
  grid: { readonly columns: number; readonly rows: number; readonly gap: number },
  column: number,
  row: number,
): Place {
  const width = (sheet.width - grid.gap) / grid.columns - grid.gap;
  const height = (sheet.height - grid.gap) / grid.rows - grid.gap;
  return {
    x: grid.gap + column * (width + grid.gap),
    y: grid.gap + row * (height + grid.gap),
    width,
    height,
  };
}
