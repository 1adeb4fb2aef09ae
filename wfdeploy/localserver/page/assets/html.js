// Templates: `html` makes elements out of tagged literals. Values in them become text or properties, never markup.
import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
