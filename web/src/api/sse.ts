// Server-sent events from bytes that arrive cut anywhere, inside a character or between CR and LF too.

export class SseParser {
  private readonly decoder = new TextDecoder();
  private rest = '';
  private data: string[] = [];
  private afterCr = false;

  /** The data of every event that `bytes` complete. Comments and fields other than data say nothing here. */
  push(bytes: Uint8Array): string[] {
    let text = this.decoder.decode(bytes, { stream: true });
    // The CR that ended the last piece has ended its line already; an LF now belongs to it.
    if (this.afterCr && text.startsWith('\n')) text = text.slice(1);
    if (text !== '') this.afterCr = text.endsWith('\r');
    const lines = (this.rest + text).split(/\r\n|\r|\n/);
    this.rest = lines.pop() ?? '';
    const events: string[] = [];
    for (const line of lines) {
      if (line === '') {
        if (this.data.length > 0) events.push(this.data.join('\n'));
        this.data = [];
      } else if (line.startsWith('data:')) {
        this.data.push(line.slice(line[5] === ' ' ? 6 : 5));
      } else if (line === 'data') {
        this.data.push('');
      }
    }
    return events;
  }
}
