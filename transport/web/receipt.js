/* The receipt's one button: a page cannot print itself without a script. */
"use strict";
document.getElementById("print").addEventListener("click", () => print());
