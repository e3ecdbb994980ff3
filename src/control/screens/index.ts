/** screens: the guests' live pictures, captured while somebody looks, as tiles that changed over a WebSocket. */
export { type FeedPace, Screens, type Viewer } from './feed.js';
export { Frame, type Rect, TILE } from './frame.js';
export { SCREENS_PATH, serveScreens, type Viewers } from './serve.js';
